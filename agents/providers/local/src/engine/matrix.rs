//! A quantised weight matrix, multiplied the way that suits the number of rows.

use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{Device, Module, Result, Tensor};

/// From this many rows on it pays to dequantise the matrix and multiply in full precision: a block of the matrix is
/// then used for many rows while it is in the cache.
const DENSE_FROM_ROWS: usize = 24;

/// A weight matrix, `(out, in)`.
#[derive(Debug, Clone)]
pub(crate) struct Matrix(Arc<QTensor>);

impl Matrix {
    /// Formats the tensor library multiplies by scalar code only are requantised to Q8_0, which loses nothing that
    /// 4 or 5 bits held and is about four times as fast.
    pub(crate) fn new(stored: QTensor) -> Result<Self> {
        if has_vector_kernel(stored.dtype()) {
            return Ok(Self(Arc::new(stored)));
        }
        let dense = stored.dequantize(&Device::Cpu)?;
        drop(stored);
        Ok(Self(Arc::new(QTensor::quantize(&dense, GgmlDType::Q8_0)?)))
    }

    /// `x`, `(rows, in)`, times this matrix transposed: `(rows, out)`.
    pub(crate) fn times(&self, x: &Tensor) -> Result<Tensor> {
        if x.dim(0)? >= DENSE_FROM_ROWS {
            return x.matmul(&self.0.dequantize(&Device::Cpu)?.t()?);
        }
        QMatMul::QTensor(Arc::clone(&self.0)).forward(x)
    }

    /// The rows of these numbers, in full precision.
    pub(crate) fn rows(&self, numbers: &[u32]) -> Result<Tensor> {
        self.0.embedding(&Tensor::new(numbers, &Device::Cpu)?)
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
    fn few_rows_and_many_rows_are_multiplied_alike() {
        let dense = wave(64, 96);
        let matrix = Matrix::new(QTensor::quantize(&dense, GgmlDType::Q4_1).unwrap()).unwrap();
        assert_eq!(
            matrix.0.dtype(),
            GgmlDType::Q8_0,
            "scalar formats are requantised"
        );
        let x = wave(DENSE_FROM_ROWS, 96);
        let many = matrix.times(&x).unwrap();
        let largest = worst(&many);
        for row in 0..DENSE_FROM_ROWS {
            let one = matrix.times(&x.narrow(0, row, 1).unwrap()).unwrap();
            let off = worst(&(&one - many.narrow(0, row, 1).unwrap()).unwrap());
            assert!(
                off < 0.01 * largest,
                "row {row} is off by {off}, values go up to {largest}"
            );
        }
        let off = worst(&(many - x.matmul(&dense.t().unwrap()).unwrap()).unwrap());
        assert!(
            off < 0.05 * largest,
            "requantising put it off by {off}, values go up to {largest}"
        );
    }
}
