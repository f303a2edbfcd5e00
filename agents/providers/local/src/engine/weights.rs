//! Reads a llama model out of a GGUF file.

use std::io::{Read, Seek};

use candle_core::quantized::QTensor;
use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Context, Device, Result, Tensor};

use super::llama::{Block, Dimensions, Ends, Llama};
use super::matrix::Matrix;

/// Why a well-formed file is refused; none when it can be run.
pub(crate) fn obstacle(content: &Content) -> Option<String> {
    match text(content, "general.architecture") {
        Some("llama") => {}
        other => {
            return Some(format!(
                "its architecture is {}, only llama is supported",
                other.unwrap_or("not named")
            ));
        }
    }
    let dimensions = match dimensions(content) {
        Ok(dimensions) => dimensions,
        Err(error) => return Some(error.to_string()),
    };
    let rotated = number(content, "llama.rope.dimension_count").unwrap_or(dimensions.head_size);
    (rotated != dimensions.head_size).then(|| {
        format!(
            "it rotates {rotated} of {} dimensions a head",
            dimensions.head_size
        )
    })
}

/// Reads all weights; `on_progress` is told the share read so far, from 0 to 1.
pub(crate) fn read<R: Read + Seek>(
    content: &Content,
    file: &mut R,
    on_progress: &mut dyn FnMut(f32),
) -> Result<Llama> {
    let dimensions = dimensions(content)?;
    let mut reader = Reader {
        content,
        file,
        on_progress,
        read: 0,
    };
    let embedding = reader.matrix("token_embd.weight")?;
    let output = match content.tensor_infos.contains_key("output.weight") {
        true => reader.matrix("output.weight")?,
        false => embedding.clone(),
    };
    let rope_factors = match content.tensor_infos.contains_key("rope_freqs.weight") {
        true => Some(reader.dense("rope_freqs.weight")?),
        false => None,
    };
    let norm = reader.dense("output_norm.weight")?;
    let blocks = (0..dimensions.layers)
        .map(|layer| reader.block(layer))
        .collect::<Result<_>>()?;
    Llama::new(
        dimensions,
        blocks,
        Ends {
            embedding,
            norm,
            output,
            rope_factors,
        },
    )
}

/// A metadata text.
pub(crate) fn text<'a>(content: &'a Content, key: &str) -> Option<&'a str> {
    content.metadata.get(key)?.to_string().ok().map(String::as_str)
}

/// A metadata count.
pub(crate) fn number(content: &Content, key: &str) -> Option<usize> {
    match content.metadata.get(key)? {
        Value::U8(n) => Some(usize::from(*n)),
        Value::U16(n) => Some(usize::from(*n)),
        Value::U32(n) => usize::try_from(*n).ok(),
        Value::U64(n) => usize::try_from(*n).ok(),
        Value::I32(n) => usize::try_from(*n).ok(),
        Value::I64(n) => usize::try_from(*n).ok(),
        _ => None,
    }
}

/// Windows are cut to this: a longer conversation would take gigabytes of keys and values.
const MOST_CONTEXT: usize = 32_768;

fn dimensions(content: &Content) -> Result<Dimensions> {
    let count = |key: &str| {
        number(content, key)
            .filter(|&n| n > 0)
            .with_context(|| format!("its metadata lacks a positive {key}"))
    };
    let heads = count("llama.attention.head_count")?;
    let kv_heads = number(content, "llama.attention.head_count_kv").unwrap_or(heads);
    let head_size = match number(content, "llama.attention.key_length") {
        Some(size) => size,
        None => count("llama.embedding_length")? / heads,
    };
    if kv_heads == 0 || heads % kv_heads != 0 || head_size == 0 || head_size % 2 != 0 {
        candle_core::bail!("its attention has {heads} heads on {kv_heads} of {head_size} dimensions");
    }
    let real = |key: &str| content.metadata.get(key).and_then(|value| value.to_f32().ok());
    Ok(Dimensions {
        layers: count("llama.block_count")?,
        heads,
        kv_heads,
        head_size,
        context_window: count("llama.context_length")?.min(MOST_CONTEXT),
        norm_epsilon: real("llama.attention.layer_norm_rms_epsilon")
            .context("its metadata lacks llama.attention.layer_norm_rms_epsilon")?,
        rope_base: real("llama.rope.freq_base").unwrap_or(10_000.0),
    })
}

struct Reader<'a, R> {
    content: &'a Content,
    file: &'a mut R,
    on_progress: &'a mut dyn FnMut(f32),
    read: usize,
}

impl<R: Read + Seek> Reader<'_, R> {
    fn tensor(&mut self, name: &str) -> Result<QTensor> {
        let tensor = self.content.tensor(self.file, name, &Device::Cpu)?;
        self.read += 1;
        (self.on_progress)(self.read as f32 / self.content.tensor_infos.len().max(1) as f32);
        Ok(tensor)
    }

    /// A vector, in full precision.
    fn dense(&mut self, name: &str) -> Result<Tensor> {
        self.tensor(name)?.dequantize(&Device::Cpu)
    }

    fn matrix(&mut self, name: &str) -> Result<Matrix> {
        Matrix::new(self.tensor(name)?)
    }

    fn block(&mut self, layer: usize) -> Result<Block> {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        Ok(Block {
            attention_norm: self.dense(&name("attn_norm"))?,
            query: self.matrix(&name("attn_q"))?,
            key: self.matrix(&name("attn_k"))?,
            value: self.matrix(&name("attn_v"))?,
            output: self.matrix(&name("attn_output"))?,
            feed_forward_norm: self.dense(&name("ffn_norm"))?,
            gate: self.matrix(&name("ffn_gate"))?,
            up: self.matrix(&name("ffn_up"))?,
            down: self.matrix(&name("ffn_down"))?,
        })
    }
}
