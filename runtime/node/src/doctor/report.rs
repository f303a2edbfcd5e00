//! What the doctor found.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    /// It works, or will, but somebody may want to know.
    Warn,
    /// It does not work.
    Fail,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) state: State,
    pub(super) said: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Line {
    pub(super) fn ok(what: &'static str, said: impl Into<String>) -> Self {
        Self {
            what,
            state: State::Ok,
            said: said.into(),
            remedy: None,
        }
    }

    pub(super) fn warn(what: &'static str, said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what,
            state: State::Warn,
            said: said.into(),
            remedy: Some(remedy.into()),
        }
    }

    pub(super) fn fail(what: &'static str, said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what,
            state: State::Fail,
            said: said.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// As people read it.
    pub(super) fn shown(&self) -> String {
        let state = match self.state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        let line = format!("{state}  {:<14} {}", self.what, self.said);
        match &self.remedy {
            Some(remedy) => format!("{line}\n{:22}remedy: {remedy}", ""),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_comes_with_its_remedy() {
        let shown = Line::fail("store", "it is full", "free some space").shown();
        assert_eq!(
            shown,
            "FAIL  store          it is full\n                      remedy: free some space"
        );
        assert_eq!(
            Line::ok("gateway", "answers").shown(),
            "ok    gateway        answers"
        );
    }
}
