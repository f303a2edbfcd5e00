//! The llama transformer on quantised weights, for one sequence on the CPU.

use candle_core::{D, Device, Result, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};
use candle_nn::rotary_emb::rope_i;

use super::cache::LayerCache;
use super::matrix::Matrix;

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
    pub(crate) query: Matrix,
    pub(crate) key: Matrix,
    pub(crate) value: Matrix,
    pub(crate) output: Matrix,
    pub(crate) feed_forward_norm: Tensor,
    pub(crate) gate: Matrix,
    pub(crate) up: Matrix,
    pub(crate) down: Matrix,
}

/// The weights outside the blocks.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) embedding: Matrix,
    pub(crate) norm: Tensor,
    pub(crate) output: Matrix,
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
            .map(|_| {
                LayerCache::new(
                    dimensions.context_window,
                    dimensions.kv_heads,
                    dimensions.head_size,
                )
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            dimensions,
            blocks,
            ends,
            cos,
            sin,
            caches,
            length: 0,
        })
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
        let step = Step {
            position: self.length,
            cos: self.cos.narrow(0, self.length, count)?,
            sin: self.sin.narrow(0, self.length, count)?,
            mask: causal_mask(self.length, count)?,
        };
        let mut x = self.ends.embedding.rows(tokens)?;
        for (block, cache) in self.blocks.iter().zip(&mut self.caches) {
            let normed = rms_norm(&x, &block.attention_norm, epsilon)?;
            x = (x + attend(&self.dimensions, block, cache, &step, &normed)?)?;
            let normed = rms_norm(&x, &block.feed_forward_norm, epsilon)?;
            let gated = (silu(&block.gate.times(&normed)?)? * block.up.times(&normed)?)?;
            x = (x + block.down.times(&gated)?)?;
        }
        let last = rms_norm(
            &x.narrow(0, count - 1, 1)?.contiguous()?,
            &self.ends.norm,
            epsilon,
        )?;
        let scores = self.ends.output.times(&last)?.squeeze(0)?.to_vec1::<f32>()?;
        self.length += count;
        Ok(scores)
    }
}

/// What all blocks share in reading some tokens.
struct Step {
    position: usize,
    cos: Tensor,
    sin: Tensor,
    mask: Option<Tensor>,
}

/// Self-attention of `x`, `(new, width)`, over everything the cache holds.
///
/// Query heads that share a key head are stacked as rows of one matrix, so that one product serves them all.
fn attend(
    dimensions: &Dimensions,
    block: &Block,
    cache: &mut LayerCache,
    step: &Step,
    x: &Tensor,
) -> Result<Tensor> {
    let Dimensions {
        heads,
        kv_heads,
        head_size,
        ..
    } = *dimensions;
    let count = x.dim(0)?;
    let stacked = (kv_heads, heads / kv_heads * count, head_size);
    let query = rope_i(&by_head(&block.query.times(x)?, heads)?, &step.cos, &step.sin)?.reshape(stacked)?;
    let key = rope_i(&by_head(&block.key.times(x)?, kv_heads)?, &step.cos, &step.sin)?.squeeze(0)?;
    let value = by_head(&block.value.times(x)?, kv_heads)?.squeeze(0)?;
    let (keys, values) = cache.write(step.position, &key, &value)?;
    let scale = 1.0 / (head_size as f64).sqrt();
    let mut scores = (query * scale)?.matmul(&keys.t()?)?;
    if let Some(mask) = &step.mask {
        let seen = (heads, count, step.position + count);
        scores = scores.reshape(seen)?.broadcast_add(mask)?;
    }
    let weights = softmax_last_dim(&scores)?.reshape((kv_heads, stacked.1, step.position + count))?;
    let mixed = weights.matmul(&values)?.reshape((heads, count, head_size))?;
    block
        .output
        .times(&mixed.transpose(0, 1)?.reshape((count, heads * head_size))?)
}

/// `x`, `(new, heads * head size)`, as `(1, heads, new, head size)`.
fn by_head(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (count, width) = x.dims2()?;
    if count == 1 {
        return x.reshape((1, heads, 1, width / heads));
    }
    x.reshape((1, count, heads, width / heads))?
        .transpose(1, 2)?
        .contiguous()
}

/// What keeps `count` tokens after `position` others from seeing those that follow them; none for a single one.
fn causal_mask(position: usize, count: usize) -> Result<Option<Tensor>> {
    if count == 1 {
        return Ok(None);
    }
    let seen = position + count;
    let mut mask = vec![0f32; count * seen];
    for (row, row_mask) in mask.chunks_mut(seen).enumerate() {
        row_mask[position + row + 1..].fill(f32::NEG_INFINITY);
    }
    Tensor::from_vec(mask, (count, seen), &Device::Cpu).map(Some)
}

/// Cosines and sines of every position, `(context window, head size / 2)` each.
fn rotary_tables(dimensions: &Dimensions, factors: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
    let size = dimensions.head_size;
    let frequencies: Vec<f32> = (0..size)
        .step_by(2)
        .map(|i| dimensions.rope_base.powf(-(i as f32) / size as f32))
        .collect();
    let mut frequencies = Tensor::from_vec(frequencies, (1, size / 2), &Device::Cpu)?;
    if let Some(factors) = factors {
        frequencies = frequencies.broadcast_div(&factors.reshape((1, size / 2))?)?;
    }
    let positions =
        Tensor::arange(0f32, dimensions.context_window as f32, &Device::Cpu)?.unsqueeze(D::Minus1)?;
    let angles = positions.broadcast_mul(&frequencies)?;
    Ok((angles.cos()?, angles.sin()?))
}
