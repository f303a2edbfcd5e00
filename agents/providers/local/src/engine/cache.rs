//! The key/value cache of one sequence: preallocated, grown in place, cut back to a shared prefix.

use candle_core::{DType, Device, Result, Tensor};

/// Positions allocated at first; doubled as the conversation grows.
const FIRST_CAPACITY: usize = 512;

/// Keys and values of one layer, `(heads, capacity, head size)` each.
#[derive(Debug)]
pub(crate) struct LayerCache {
    keys: Tensor,
    values: Tensor,
    limit: usize,
}

impl LayerCache {
    /// An empty cache that may grow to `limit` positions.
    pub(crate) fn new(limit: usize, heads: usize, head_size: usize) -> Result<Self> {
        let shape = (heads, FIRST_CAPACITY.min(limit), head_size);
        Ok(Self {
            keys: Tensor::zeros(shape, DType::F32, &Device::Cpu)?,
            values: Tensor::zeros(shape, DType::F32, &Device::Cpu)?,
            limit,
        })
    }

    /// Writes `keys` and `values`, `(heads, new, head size)`, from `position` on, and returns views of all
    /// positions up to the last one written. What stood there before is overwritten.
    pub(crate) fn write(
        &mut self,
        position: usize,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let end = position + keys.dim(1)?;
        if end > self.keys.dim(1)? {
            self.keys = grown(&self.keys, position, end, self.limit)?;
            self.values = grown(&self.values, position, end, self.limit)?;
        }
        self.keys.slice_set(keys, 1, position)?;
        self.values.slice_set(values, 1, position)?;
        Ok((self.keys.narrow(1, 0, end)?, self.values.narrow(1, 0, end)?))
    }
}

/// A copy of `old`'s first `kept` positions with room for at least `needed`.
fn grown(old: &Tensor, kept: usize, needed: usize, limit: usize) -> Result<Tensor> {
    if needed > limit {
        candle_core::bail!("the key/value cache is full: {needed} positions of {limit}");
    }
    let (heads, capacity, head_size) = old.dims3()?;
    let capacity = (capacity * 2).max(needed).min(limit);
    let new = Tensor::zeros((heads, capacity, head_size), old.dtype(), old.device())?;
    if kept > 0 {
        new.slice_set(&old.narrow(1, 0, kept)?.contiguous()?, 1, 0)?;
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two heads: the second holds the negatives of the first.
    fn rows(from: usize, count: usize) -> Tensor {
        let first = (from..from + count).map(|n| n as f32);
        let data: Vec<f32> = first.clone().chain(first.map(|n| -n)).collect();
        Tensor::from_vec(data, (2, count, 1), &Device::Cpu).unwrap()
    }

    fn flat(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn growing_keeps_what_was_written_and_cutting_back_overwrites_it() {
        let mut cache = LayerCache::new(2_000, 2, 1).unwrap();
        cache.write(0, &rows(0, 500), &rows(0, 500)).unwrap();
        let (keys, values) = cache.write(500, &rows(500, 600), &rows(500, 600)).unwrap();
        assert_eq!(flat(&keys), flat(&rows(0, 1_100)));
        assert_eq!(flat(&values), flat(&rows(0, 1_100)));
        let (keys, _) = cache.write(2, &rows(90, 1), &rows(90, 1)).unwrap();
        assert_eq!(flat(&keys), [0.0, 1.0, 90.0, -0.0, -1.0, -90.0]);
    }

    #[test]
    fn growing_past_the_limit_is_an_error() {
        let mut cache = LayerCache::new(3, 2, 1).unwrap();
        assert!(cache.write(0, &rows(0, 4), &rows(0, 4)).is_err());
    }
}
