//! Identities as types, so that one can't be passed for another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Clock, Randomness};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must match {pattern}")]
pub struct InvalidId {
    /// Which kind of id was meant.
    pub what: &'static str,
    /// What it has to look like.
    pub pattern: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $pattern:literal, $max:literal, $extra:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses an id; the error names the pattern it must match.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let extra: &[u8] = $extra;
                let fits = !text.is_empty()
                    && text.len() <= $max
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || extra.contains(&b));
                if fits { Ok(Self(text.into())) } else { Err(InvalidId { what: $what, pattern: $pattern }) }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id!(
    /// Who owns data: every stored record belongs to one tenant.
    TenantId, "a tenant id", "[A-Za-z0-9_.:@|-]{1,128}", 128, b".:@|"
);
text_id!(
    /// A caller within a tenant.
    Subject, "a subject", "[A-Za-z0-9_.:@|-]{1,128}", 128, b".:@|"
);
text_id!(
    /// A conversation, and the name of its journal; for a task without a session, that task's own journal.
    SessionId, "a session id", "[A-Za-z0-9_-]{1,64}", 64, b""
);
text_id!(
    /// The name of a capability that runs tasks.
    AgentName, "an agent name", "[A-Za-z0-9_-]{1,64}", 64, b""
);
text_id!(
    /// One process of the system, by name.
    NodeId, "a node id", "[A-Za-z0-9_.:-]{1,128}", 128, b".:"
);
text_id!(
    /// One process of the system, as a directory knows it.
    MemberId, "a member's id", "[A-Za-z0-9_/.:@-]{1,260}", 260, b"/.:@"
);
text_id!(
    /// A caller's own name for a call, unique within one journal.
    IdempotencyKey, "an idempotency key", "[A-Za-z0-9_.:@|/+=-]{1,128}", 128, b".:@|/+="
);

impl SessionId {
    /// A new time-ordered id.
    pub fn generate(clock: &dyn Clock, random: &dyn Randomness) -> Self {
        let ms = u64::try_from(clock.now().as_millis()).unwrap_or(0);
        let bits = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
        Self(ulid::Ulid::from_parts(ms, bits).to_string().into())
    }

    /// The journal of a call that names no session: the same call meets at the same journal.
    pub fn derived(tenant: &TenantId, subject: &Subject, operation: &str, key: &IdempotencyKey) -> Self {
        Self::hashed(
            "t-",
            &[tenant.as_str(), subject.as_str(), operation, key.as_str()],
        )
    }

    /// The journal of the child task that `step` of `parent` starts: replay re-attaches to it.
    pub fn child(parent: &TaskId, step: &StepPath) -> Self {
        Self::hashed("c-", &[&parent.to_string(), step.as_str()])
    }

    fn hashed(prefix: &str, parts: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let hex = hasher.finalize().to_hex();
        Self(format!("{prefix}{}", &hex[..40]).into())
    }
}

/// How minted keys begin. A client may not begin its own like that.
const MINTED: &str = "mint:";

impl IdempotencyKey {
    /// A key minted for a caller who gave none.
    pub fn mint(random: &dyn Randomness) -> Self {
        Self(format!("{MINTED}{:016x}{:016x}", random.next_u64(), random.next_u64()).into())
    }

    /// A key minted for a call that begins a conversation: it also names the session, time-ordered, so that the
    /// call may be repeated with it.
    pub fn mint_with_session(clock: &dyn Clock, random: &dyn Randomness) -> Self {
        Self(format!("{MINTED}{}", SessionId::generate(clock, random)).into())
    }

    /// The session that a minted key names, if it names one.
    pub fn minted_session(&self) -> Option<SessionId> {
        let id = self.0.strip_prefix(MINTED)?;
        let id: ulid::Ulid = (id.len() == ulid::ULID_LEN).then_some(id)?.parse().ok()?;
        Some(SessionId(id.to_string().into()))
    }

    /// Whether the key was minted: no earlier call can have used it, save when that call is repeated.
    pub fn is_minted(&self) -> bool {
        self.0.starts_with(MINTED)
    }
}

/// A task: its journal and its ordinal there. Printed as `<journal>.<ordinal>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The journal that holds the task.
    pub journal: SessionId,
    /// The task's number in that journal, from 0.
    pub ordinal: u32,
}

impl TaskId {
    /// Parses `<journal>.<ordinal>`.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId {
            what: "a task id",
            pattern: "<session id>.<number>",
        };
        let (journal, ordinal) = text.rsplit_once('.').ok_or_else(|| invalid.clone())?;
        let canonical = ordinal == "0" || !ordinal.starts_with(['0', '+']);
        match ordinal.parse() {
            Ok(ordinal) if canonical => Ok(Self {
                journal: SessionId::parse(journal)?,
                ordinal,
            }),
            _ => Err(invalid),
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.journal, self.ordinal)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

impl Serialize for TaskId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Where a step stands in its agent's program: numbers nested by scope (`3`, `3.0`), fixed when the call is
/// created and never by order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StepPath(Arc<str>);

impl StepPath {
    /// Parses dot-separated numbers.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let number =
            |part: &str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
        if text.len() <= 256 && text.split('.').all(number) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId {
                what: "a step path",
                pattern: "numbers joined by dots, at most 256 bytes",
            })
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StepPath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// One start of one process: the writer of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Writer {
    /// The process.
    pub node: NodeId,
    /// Which start of it.
    pub incarnation: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_id_survives_printing_and_parsing() {
        let id = TaskId {
            journal: SessionId::parse("s-1").unwrap(),
            ordinal: 12,
        };
        assert_eq!(id.to_string(), "s-1.12");
        assert_eq!(TaskId::parse("s-1.12").unwrap(), id);
        for bad in [
            "",
            "s",
            "s.",
            "s.x",
            "s.01",
            "s.+1",
            ".1",
            "a b.1",
            "s.4294967296",
        ] {
            assert!(TaskId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn derived_journals_keep_their_parts_apart() {
        let t = |s: &str| TenantId::parse(s).unwrap();
        let s = |s: &str| Subject::parse(s).unwrap();
        let k = IdempotencyKey::parse("k").unwrap();
        let a = SessionId::derived(&t("ab"), &s("c"), "op", &k);
        assert_eq!(a, SessionId::derived(&t("ab"), &s("c"), "op", &k));
        assert_ne!(a, SessionId::derived(&t("a"), &s("bc"), "op", &k));
    }

    #[test]
    fn ids_refuse_what_their_pattern_excludes() {
        assert!(SessionId::parse(&"a".repeat(64)).is_ok());
        for bad in [
            String::new(),
            "a".repeat(65),
            "a/b".into(),
            "ä".into(),
            "a b".into(),
        ] {
            assert!(SessionId::parse(&bad).is_err());
        }
        assert!(StepPath::parse("3.0.12").is_ok());
        assert!(StepPath::parse("3..0").is_err());
    }
}
