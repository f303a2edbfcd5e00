//! Which requests of the log are asked for.

use crate::{RequestRow, Subject, Timestamp};

/// Which requests to tell of: those that fit everything that is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestQuery {
    /// Of this caller.
    pub subject: Option<Subject>,
    /// Asked for by this name, or answered by this model: a model's name or `provider/model`.
    pub model: Option<String>,
    /// Whether they failed.
    pub failed: Option<bool>,
    /// That ended at this moment or later.
    pub from: Option<Timestamp>,
    /// That ended before this moment.
    pub until: Option<Timestamp>,
}

impl RequestQuery {
    /// Whether a request fits.
    pub fn fits(&self, row: &RequestRow) -> bool {
        let of = |name: &String| {
            let served = row.served.as_ref();
            row.asked.as_deref() == Some(name)
                || served.is_some_and(|(provider, model)| {
                    **model == *name
                        || name
                            .strip_prefix(&**provider)
                            .and_then(|rest| rest.strip_prefix('/'))
                            == Some(model)
                })
        };
        self.subject
            .as_ref()
            .is_none_or(|subject| *subject == row.caller.subject)
            && self.model.as_ref().is_none_or(of)
            && self.failed.is_none_or(|failed| failed == row.failure.is_some())
            && self.from.is_none_or(|from| row.at >= from)
            && self.until.is_none_or(|until| row.at < until)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Caller, ErrorCode, LedgerId, TenantId, Usage};

    #[test]
    fn a_request_fits_what_is_said_of_it_and_nothing_else() {
        let ann = Subject::parse("ann").unwrap();
        let at = Timestamp::from_millis;
        let row = RequestRow {
            id: LedgerId(1),
            at: at(100),
            caller: Arc::new(Caller::new(TenantId::parse("acme").unwrap(), ann.clone())),
            asked: Some("smart".into()),
            streamed: false,
            served: Some(("openai".into(), "gpt-5".into())),
            tries: 1,
            failure: Some(ErrorCode::ProviderFailed),
            took_ms: 1,
            first_content_ms: None,
            usage: Usage::default(),
            content: None,
        };
        let any = RequestQuery::default();
        let of = |model: &str| RequestQuery {
            model: Some(model.into()),
            ..any.clone()
        };
        let from = |from| RequestQuery {
            from: Some(at(from)),
            ..any.clone()
        };
        let until = |until| RequestQuery {
            until: Some(at(until)),
            ..any.clone()
        };
        let failed = |failed| RequestQuery {
            failed: Some(failed),
            ..any.clone()
        };
        let by = |subject| RequestQuery {
            subject: Some(Subject::parse(subject).unwrap()),
            ..any.clone()
        };
        let fitting = [
            any.clone(),
            of("smart"),
            of("gpt-5"),
            of("openai/gpt-5"),
            from(100),
            until(101),
            failed(true),
            by("ann"),
        ];
        assert!(fitting.iter().all(|query| query.fits(&row)));
        let others = [
            of("openai"),
            of("azure/gpt-5"),
            of("openai/gpt"),
            from(101),
            until(100),
            failed(false),
            by("bob"),
        ];
        assert!(!others.iter().any(|query| query.fits(&row)));
    }
}
