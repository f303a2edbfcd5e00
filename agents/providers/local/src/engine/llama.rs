//! The llama transformer on quantised weights, for one sequence on the CPU.

use candle_core::quantized::QMatMul;
use candle_core::{D, Device, Module, Result, Tensor};
use candle_nn::attention::{AttnMask, flash_attn};
use candle_nn::ops::{rms_norm, silu};
use candle_nn::rotary_emb::rope_i;

use super::cache::LayerCache;

/// The model's dimensions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dimensions {
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_size: usize,
    pub(crate) context_window: usize,
    pub(crate) norm_epsilon: f32,
    pub(crate) rope_base: f32,
}

/// The weights of one block.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) attention_norm: Tensor,
    pub(crate) query: QMatMul,
    pub(crate) key: QMatMul,
    pub(crate) value: QMatMul,
    pub(crate) output: QMatMul,
    pub(crate) feed_forward_norm: Tensor,
    pub(crate) gate: QMatMul,
    pub(crate) up: QMatMul,
    pub(crate) down: QMatMul,
}

/// The weights outside the blocks.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) embedding: QMatMul,
    pub(crate) norm: Tensor,
    pub(crate) output: QMatMul,
    /// Divisors of the rotary frequencies, for models trained with stretched ones.
    pub(crate) rope_factors: Option<Tensor>,
}

/// The model and the cache of the one sequence it is reading.
#[derive(Debug)]
pub(crate) struct Llama {
    dimensions: Dimensions,
    blocks: Vec<Block>,
    ends: Ends,
    cos: Tensor,
    sin: Tensor,
    caches: Vec<LayerCache>,
    length: usize,
}

impl Llama {
    /// Puts the weights together.
    pub(crate) fn new(dimensions: Dimensions, blocks: Vec<Block>, ends: Ends) -> Result<Self> {
        let (cos, sin) = rotary_tables(&dimensions, ends.rope_factors.as_ref())?;
        let caches = (0..blocks.len())
            .map(|_| LayerCache::new(dimensions.context_window, dimensions.kv_heads, dimensions.head_size))
            .collect::<Result<_>>()?;
        Ok(Self { dimensions, blocks, ends, cos, sin, caches, length: 0 })
    }

    /// Tokens input and output may have together.
    pub(crate) fn context_window(&self) -> usize {
        self.dimensions.context_window
    }

    /// Forgets all but the first `length` tokens.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Reads `tokens` after what was read before; returns the scores of every token to come next.
    /// After an error nothing more is remembered than before.
    pub(crate) fn forward(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        let count = tokens.len();
        let epsilon = self.dimensions.norm_epsilon;
        let cos = self.cos.narrow(0, self.length, count)?;
        let sin = self.sin.narrow(0, self.length, count)?;
        let mut x = self.ends.embedding.embedding(&Tensor::new(tokens, &Device::Cpu)?)?;
        for (block, cache) in self.blocks.iter().zip(&mut self.caches) {
            let normed = rms_norm(&x, &block.attention_norm, epsilon)?;
            let attended = attend(&self.dimensions, block, cache, self.length, &normed, (&cos, &sin))?;
            x = (x + attended)?;
            let normed = rms_norm(&x, &block.feed_forward_norm, epsilon)?;
            let gated = (silu(&block.gate.forward(&normed)?)? * block.up.forward(&normed)?)?;
            x = (x + block.down.forward(&gated)?)?;
        }
        let last = rms_norm(&x.narrow(0, count - 1, 1)?.contiguous()?, &self.ends.norm, epsilon)?;
        let scores = self.ends.output.forward(&last)?.squeeze(0)?.to_vec1::<f32>()?;
        self.length += count;
        Ok(scores)
    }
}

/// Self-attention of `x`, `(new, width)`, over everything the cache holds.
fn attend(
    dimensions: &Dimensions,
    block: &Block,
    cache: &mut LayerCache,
    position: usize,
    x: &Tensor,
    rotation: (&Tensor, &Tensor),
) -> Result<Tensor> {
    let Dimensions { heads, kv_heads, head_size, .. } = *dimensions;
    let count = x.dim(0)?;
    let query = rotated(&block.query.forward(x)?, heads, head_size, rotation)?;
    let key = rotated(&block.key.forward(x)?, kv_heads, head_size, rotation)?;
    let value = block.value.forward(x)?.reshape((1, count, kv_heads, head_size))?;
    let (keys, values) = cache.write(position, &key, &value)?;
    let scale = 1.0 / (head_size as f32).sqrt();
    let mask = AttnMask::causal_with_offset(position);
    let mixed = flash_attn::<f32>(&query, &keys, &values, scale, mask, None, None)?;
    block.output.forward(&mixed.transpose(1, 2)?.reshape((count, heads * head_size))?)
}

/// Splits `x`, `(new, heads * head size)`, into heads and rotates neighbouring pairs by their position.
fn rotated(x: &Tensor, heads: usize, head_size: usize, (cos, sin): (&Tensor, &Tensor)) -> Result<Tensor> {
    let count = x.dim(0)?;
    if count == 1 {
        return rope_i(&x.reshape((1, heads, 1, head_size))?, cos, sin)?.reshape((1, 1, heads, head_size));
    }
    let by_head = x.reshape((1, count, heads, head_size))?.transpose(1, 2)?.contiguous()?;
    rope_i(&by_head, cos, sin)?.transpose(1, 2)?.contiguous()
}

/// Cosines and sines of every position, `(context window, head size / 2)` each.
fn rotary_tables(dimensions: &Dimensions, factors: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
    let size = dimensions.head_size;
    let frequencies: Vec<f32> =
        (0..size).step_by(2).map(|i| dimensions.rope_base.powf(-(i as f32) / size as f32)).collect();
    let mut frequencies = Tensor::from_vec(frequencies, (1, size / 2), &Device::Cpu)?;
    if let Some(factors) = factors {
        frequencies = frequencies.broadcast_div(&factors.reshape((1, size / 2))?)?;
    }
    let positions = Tensor::arange(0f32, dimensions.context_window as f32, &Device::Cpu)?.unsqueeze(D::Minus1)?;
    let angles = positions.broadcast_mul(&frequencies)?;
    Ok((angles.cos()?, angles.sin()?))
}
