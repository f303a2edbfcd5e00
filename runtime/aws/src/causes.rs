//! What is told of a call that failed.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;

/// Most characters kept of what is said.
const SAID_AT_MOST: usize = 300;

/// What an error of the SDK's was caused by: the SDK's own word for it is no more than "dispatch failure".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Causes {
    /// The causes from the outside in, on one line and not too long. Never a request: it holds content and a signature.
    pub text: String,
    /// Nobody said who calls, or who was asked gave no answer.
    pub credentials: bool,
}

impl Causes {
    /// Those of `error`.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let (mut text, mut credentials) = (String::new(), false);
        let mut cause = error.source();
        while let Some(e) = cause {
            let said = e.to_string();
            // Some show the whole request, with what it says and is signed with.
            if !said.contains("Request {") && !text.contains(&said) {
                if !text.is_empty() {
                    text.push_str(": ");
                }
                text.push_str(&said);
            }
            credentials |= e.is::<CredentialsError>();
            cause = e.source();
        }
        if text.is_empty() {
            text = error.to_string();
        }
        Self {
            text: on_one_line(&text),
            credentials,
        }
    }
}

/// `text` without line breaks and repeated blanks, cut after 300 characters.
pub fn on_one_line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SAID_AT_MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<dyn Error + 'static>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref()
        }
    }

    fn link(said: &'static str, cause: Link) -> Link {
        Link(said, Some(Box::new(cause)))
    }

    #[test]
    fn causes_are_told_once_from_the_outside_in_and_no_request_among_them() {
        let inner = link("Request { key: secret }", Link("no\n  route", None));
        let error = link("dispatch failure", link("io error", link("io error", inner)));
        let causes = Causes::of(&error);
        assert_eq!(causes.text, "io error: no route");
        assert!(!causes.credentials);
    }

    #[test]
    fn an_error_without_a_cause_is_its_own_word() {
        assert_eq!(Causes::of(&Link("timed out", None)).text, "timed out");
    }

    #[test]
    fn a_lack_of_credentials_is_found_at_any_depth() {
        let lack = CredentialsError::not_loaded("nobody");
        let deep = Link("outer", Some(Box::new(Link("inner", Some(Box::new(lack))))));
        assert!(Causes::of(&deep).credentials);
    }

    #[test]
    fn what_is_said_too_long_is_cut_between_characters() {
        let cut = on_one_line(&"ä".repeat(400));
        assert_eq!(cut, format!("{}…", "ä".repeat(300)));
    }
}
