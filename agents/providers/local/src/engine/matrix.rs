//! A quantised weight matrix, multiplied the way that suits the number of rows.

use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{Context, Device, Module, Result, Tensor};

/// From this many rows on it pays to dequantise a matrix that has no packed form and to multiply in full precision:
/// a block of the matrix is then used for many rows while it is in the processor's cache.
const DENSE_FROM_ROWS: usize = 24;

/// The tensor library packs matrices for integer dot products when their width is a multiple of this.
const PACKED_WIDTH: usize = 256;

/// A weight matrix, `(out, in)`, as matrices side by side: one that is packed, one that is the rest.
#[derive(Debug, Clone)]
pub(crate) struct Matrix(Vec<Part>);

#[derive(Debug, Clone)]
struct Part {
    weights: Arc<QTensor>,
    width: usize,
    packed: bool,
}

impl Matrix {
    /// Formats the tensor library multiplies by scalar code only are requantised to Q8_0, which loses nothing that
    /// 4 or 5 bits held and is about four times as fast. Where the processor has integer dot products, Q8_0 is cut so
    /// that most of it is packed for them.
    pub(crate) fn new(stored: QTensor) -> Result<Self> {
        let width = stored.shape().dims2()?.1;
        let format = stored.dtype();
        if has_vector_kernel(format) && format != GgmlDType::Q8_0 {
            return Ok(Self(vec![Part {
                weights: Arc::new(stored),
                width,
                packed: false,
            }]));
        }
        let packable = if has_integer_dot_products() {
            width - width % PACKED_WIDTH
        } else {
            0
        };
        if format == GgmlDType::Q8_0 && (packable == 0 || packable == width) {
            return Ok(Self(vec![Part {
                weights: Arc::new(stored),
                width,
                packed: packable == width,
            }]));
        }
        let dense = stored.dequantize(&Device::Cpu)?;
        drop(stored);
        let part = |from, width, packed| {
            let weights = QTensor::quantize(&dense.narrow(1, from, width)?.contiguous()?, GgmlDType::Q8_0)?;
            Ok(Part {
                weights: Arc::new(weights),
                width,
                packed,
            })
        };
        let cuts = [(0, packable, true), (packable, width - packable, false)];
        let cuts = cuts.into_iter().filter(|(_, width, _)| *width > 0);
        cuts.map(|(from, width, packed)| part(from, width, packed))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// `x`, `(rows, in)`, times this matrix transposed: `(rows, out)`.
    pub(crate) fn times(&self, x: &Tensor) -> Result<Tensor> {
        let mut from = 0;
        let mut sum: Option<Tensor> = None;
        for part in &self.0 {
            let product = part.times(&x.narrow(1, from, part.width)?)?;
            sum = Some(match sum {
                Some(sum) => (sum + product)?,
                None => product,
            });
            from += part.width;
        }
        sum.context("a matrix without parts")
    }

    /// The rows of these numbers, in full precision.
    pub(crate) fn rows(&self, numbers: &[u32]) -> Result<Tensor> {
        let numbers = Tensor::new(numbers, &Device::Cpu)?;
        let parts = self
            .0
            .iter()
            .map(|part| part.weights.embedding(&numbers))
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts, 1)
    }
}

impl Part {
    fn times(&self, x: &Tensor) -> Result<Tensor> {
        if self.packed || x.dim(0)? < DENSE_FROM_ROWS {
            return QMatMul::QTensor(Arc::clone(&self.weights)).forward(&x.contiguous()?);
        }
        x.matmul(&self.weights.dequantize(&Device::Cpu)?.t()?)
    }
}

/// Whether this processor has the instructions for which Q8_0 is packed.
fn has_integer_dot_products() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni");
        wide || (is_x86_feature_detected!("avxvnni") && is_x86_feature_detected!("avx2"))
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Whether the tensor library multiplies by this format with vector instructions.
fn has_vector_kernel(format: GgmlDType) -> bool {
    use GgmlDType::{Q2K, Q3K, Q4_0, Q4K, Q5K, Q6K, Q8_0, Q8K};
    matches!(format, Q4_0 | Q8_0 | Q2K | Q3K | Q4K | Q5K | Q6K | Q8K)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(rows: usize, columns: usize) -> Tensor {
        let data: Vec<f32> = (0..rows * columns).map(|n| (n as f32 * 0.37).sin()).collect();
        Tensor::from_vec(data, (rows, columns), &Device::Cpu).unwrap()
    }

    fn worst(tensor: &Tensor) -> f32 {
        tensor.abs().unwrap().max_all().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn few_rows_and_many_rows_are_multiplied_alike_in_every_width() {
        for width in [96, 256, 320] {
            let dense = wave(64, width);
            let matrix = Matrix::new(QTensor::quantize(&dense, GgmlDType::Q4_1).unwrap()).unwrap();
            let q8_0 = |part: &Part| part.weights.dtype() == GgmlDType::Q8_0;
            assert!(matrix.0.iter().all(q8_0), "scalar formats are requantised");
            let x = wave(DENSE_FROM_ROWS, width);
            let many = matrix.times(&x).unwrap();
            let largest = worst(&many);
            for row in 0..DENSE_FROM_ROWS {
                let one = matrix.times(&x.narrow(0, row, 1).unwrap()).unwrap();
                let off = worst(&(&one - many.narrow(0, row, 1).unwrap()).unwrap());
                assert!(
                    off < 0.01 * largest,
                    "width {width}, row {row}: off by {off} of {largest}"
                );
            }
            let off = worst(&(many - x.matmul(&dense.t().unwrap()).unwrap()).unwrap());
            assert!(
                off < 0.05 * largest,
                "width {width}: requantising put it off by {off} of {largest}"
            );
        }
    }

    #[test]
    fn rows_are_whole_whatever_the_cut() {
        for width in [96, 256, 320] {
            let dense = wave(64, width);
            let matrix = Matrix::new(QTensor::quantize(&dense, GgmlDType::Q8_0).unwrap()).unwrap();
            let rows = matrix.rows(&[3, 60]).unwrap();
            assert_eq!(rows.dims(), [2, width]);
            let expected = dense
                .index_select(&Tensor::new(&[3u32, 60], &Device::Cpu).unwrap(), 0)
                .unwrap();
            assert!(worst(&(rows - expected).unwrap()) < 0.01, "width {width}");
        }
    }
}
