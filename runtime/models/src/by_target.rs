//! What is known of targets, found without putting a name together: it is asked on every call.

use std::collections::BTreeMap;

/// Values by `provider/model` or `provider/*`. A dated model (`name-2024-07-18`) has what its undated name has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ByTarget<T>(BTreeMap<String, BTreeMap<String, T>>);

/// Stands for every model of a provider.
const EVERY: &str = "*";

impl<T> Default for ByTarget<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> FromIterator<(String, T)> for ByTarget<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(values: I) -> Self {
        let mut table = Self::default();
        for (target, value) in values {
            table.set(&target, value);
        }
        table
    }
}

impl<T> ByTarget<T> {
    /// Sets what is known of `provider/model` or `provider/*`; gives back what was known of it.
    pub(crate) fn set(&mut self, target: &str, value: T) -> Option<T> {
        let (provider, model) = target.split_once('/').unwrap_or((target, ""));
        let models = self.0.entry(provider.to_owned()).or_default();
        models.insert(model.to_owned(), value)
    }

    /// Of this very name, or of it without its date.
    pub(crate) fn named(&self, provider: &str, model: &str) -> Option<&T> {
        let models = self.0.get(provider)?;
        models.get(model).or_else(|| models.get(undated(model)?))
    }

    /// Of every model of a provider.
    pub(crate) fn every(&self, provider: &str) -> Option<&T> {
        self.0.get(provider)?.get(EVERY)
    }

    /// All targets of which something is known.
    pub(crate) fn targets(&self) -> impl Iterator<Item = String> {
        let models = self.0.iter();
        models.flat_map(|(provider, models)| models.keys().map(move |model| format!("{provider}/{model}")))
    }
}

/// The name before a date of the form `-2024-07-18` or `-20240718`.
fn undated(model: &str) -> Option<&str> {
    let is_date = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(c, s)| match s {
                b'0' => c.is_ascii_digit(),
                s => c == s,
            })
    };
    ["-0000-00-00", "-00000000"].iter().find_map(|shape| {
        let at = model.len().checked_sub(shape.len())?;
        let (name, date) = (model.get(..at)?, model.get(at..)?);
        (!name.is_empty() && is_date(date, shape)).then_some(name)
    })
}
