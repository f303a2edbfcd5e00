//! What supervisors saw of agents, over time: the port to where that is kept.
//!
//! Nothing is decided by it: it is for people who ask afterwards. A supervisor tells of what it sees when that changes,
//! and every half minute. What stays as it was is one record that grows, so that a quiet agent takes little room.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    AgentInstance, AgentName, BreakerState, Health, InvalidId, NodeId, Page, PageRequest, StoreError,
    Timestamp,
};

/// The name of an instance of an agent: any text of 1 to 512 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceId(String);

impl InstanceId {
    /// Reads one.
    ///
    /// # Errors
    /// What it has to look like.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = (1..=512).contains(&text.len()) && !text.chars().any(char::is_control);
        match fits {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidId {
                what: "an instance's id",
                pattern: "any text of 1 to 512 bytes without control characters",
            }),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for InstanceId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> Self {
        id.0
    }
}

/// From when until when something was seen to be as it was: never backwards, and never longer than [`Span::MOST`], so
/// that who looks for a moment knows how far back what covers it can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Timestamp, Timestamp)", into = "(Timestamp, Timestamp)")]
pub struct Span {
    since: Timestamp,
    until: Timestamp,
}

impl Span {
    /// The longest there is.
    pub const MOST: Duration = Duration::from_secs(3_600);

    /// A moment.
    pub const fn at(moment: Timestamp) -> Self {
        Self {
            since: moment,
            until: moment,
        }
    }

    /// From `since` until `until`, as far as there are such spans.
    pub fn new(since: Timestamp, until: Timestamp) -> Self {
        Self {
            since,
            until: until.max(since).min(since.after(Self::MOST)),
        }
    }

    /// The first moment.
    pub const fn since(self) -> Timestamp {
        self.since
    }

    /// The last moment at which it was looked at.
    pub const fn until(self) -> Timestamp {
        self.until
    }

    /// Whether one that has lasted until `now` is still one.
    pub fn holds(self, now: Timestamp) -> bool {
        self.until <= now && now <= self.since.after(Self::MOST)
    }
}

impl From<(Timestamp, Timestamp)> for Span {
    fn from((since, until): (Timestamp, Timestamp)) -> Self {
        Self::new(since, until)
    }
}

impl From<Span> for (Timestamp, Timestamp) {
    fn from(span: Span) -> Self {
        (span.since, span.until)
    }
}

/// An instance as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSeen {
    /// Which.
    pub id: InstanceId,
    /// Its version, cut where it is longer than any version is.
    pub version: String,
    /// Its health.
    pub health: Health,
    /// Its breaker.
    pub breaker: BreakerState,
    /// Attempts that ran on it.
    pub in_flight: u32,
}

impl InstanceSeen {
    /// The longest version that is kept, in bytes.
    const VERSION: usize = 100;

    /// What is kept of an instance.
    ///
    /// # Errors
    /// When its id is none.
    pub fn of(instance: &AgentInstance) -> Result<Self, InvalidId> {
        let version = &instance.version;
        Ok(Self {
            id: InstanceId::parse(&instance.id)?,
            version: version[..version.floor_char_boundary(Self::VERSION)].to_owned(),
            health: instance.health,
            breaker: instance.breaker,
            in_flight: instance.in_flight,
        })
    }

    /// Whether it can do as much as another: all but how much it did.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.id, &self.version, self.health, self.breaker)
            == (&other.id, &other.version, other.health, other.breaker)
    }
}

/// What was seen of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentSeen {
    /// Its last instance had left.
    Gone,
    /// One of its instances.
    Instance(InstanceSeen),
}

impl AgentSeen {
    /// Which instance it is about.
    pub const fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::Gone => None,
            Self::Instance(seen) => Some(&seen.id),
        }
    }

    /// Its health: what isn't there doesn't work.
    pub const fn health(&self) -> Health {
        match self {
            Self::Gone => Health::Unhealthy,
            Self::Instance(seen) => seen.health,
        }
    }
}

/// What one supervisor saw of one agent, and how long it stayed so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// Which agent.
    pub agent: AgentName,
    /// Which supervisor saw it.
    pub node: NodeId,
    /// What it saw.
    pub seen: AgentSeen,
    /// When.
    pub span: Span,
}

impl AgentRecord {
    /// Its place among the records of its agent, which lists go by, backwards. One that is noted again has the same.
    pub fn place(&self) -> RecordPlace {
        RecordPlace {
            since: self.span.since,
            node: self.node.to_string(),
            instance: self
                .seen
                .instance()
                .map(|id| id.as_str().to_owned())
                .unwrap_or_default(),
        }
    }
}

/// Where a record stands among those of its agent: by time, then by who saw what. As text it is what pages go on behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordPlace {
    /// When it began.
    pub since: Timestamp,
    /// Who saw it; empty stands before everybody.
    pub node: String,
    /// Which instance; empty for none.
    pub instance: String,
}

impl RecordPlace {
    /// Before every record that began then, and behind all that began earlier.
    pub const fn at(since: Timestamp) -> Self {
        Self {
            since,
            node: String::new(),
            instance: String::new(),
        }
    }
}

impl fmt::Display for RecordPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}#{}", self.since.as_millis(), self.node, self.instance)
    }
}

/// A text is no place of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no place in a history of an agent")]
pub struct UnknownPlace;

impl FromStr for RecordPlace {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, UnknownPlace> {
        let parts = text.split_once('.').and_then(|(since, rest)| {
            let (node, instance) = rest.split_once('#')?;
            Some((since.parse().ok()?, node, instance))
        });
        let (since, node, instance) = parts.ok_or(UnknownPlace)?;
        let known = (node.is_empty() || NodeId::parse(node).is_ok())
            && (instance.is_empty() || InstanceId::parse(instance).is_ok());
        match known {
            true => Ok(Self {
                since: Timestamp::from_millis(since),
                node: node.to_owned(),
                instance: instance.to_owned(),
            }),
            false => Err(UnknownPlace),
        }
    }
}

/// Which records are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of which agent.
    pub agent: AgentName,
    /// Those that lasted until then or longer.
    pub from: Timestamp,
    /// Those that began before.
    pub to: Timestamp,
}

/// Where the history of agents is kept. One contract suite checks every implementation.
#[async_trait]
pub trait AgentHistory: Send + Sync + 'static {
    /// Keeps these. One whose place is taken replaces what is there: that is how a record grows. A writer sends one
    /// after the other; what isn't answered may be sent again, or left to the next that grew.
    async fn note(&self, records: Vec<AgentRecord>) -> Result<(), StoreError>;

    /// The records of an agent, the youngest beginning first. A page may hold fewer than were asked for, even none,
    /// though more follow: of a long time only so much is looked through at once.
    async fn history(
        &self,
        query: &HistoryQuery,
        page: &PageRequest,
    ) -> Result<Page<AgentRecord>, StoreError>;

    /// Removes records that began before, at most `limit` of them; says how many went. Where the store lets them expire
    /// by itself, none.
    async fn sweep_history(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_span_is_never_backwards_and_never_longer_than_an_hour_however_it_comes() {
        let read = |text: &str| serde_json::from_str::<Span>(text).unwrap();
        for (span, until) in [
            (Span::new(at(10), at(5)), 10),
            (Span::new(at(10), at(10 + 2 * HOUR)), 10 + HOUR),
            (Span::new(at(10), at(20)), 20),
            (read("[10, 5]"), 10),
            (read(&format!("[10, {}]", 2 * HOUR)), 10 + HOUR),
        ] {
            assert_eq!((span.since(), span.until()), (at(10), at(until)));
            let again = serde_json::to_string(&span).unwrap();
            assert_eq!(read(&again), span);
        }
    }

    #[test]
    fn a_span_goes_on_until_its_hour_is_over_and_not_back() {
        let span = Span::new(at(10), at(20));
        let holds = [19, 20, 10 + HOUR, 11 + HOUR].map(|now| span.holds(at(now)));
        assert_eq!(holds, [false, true, true, false]);
    }

    #[test]
    fn an_instance_s_id_is_any_text_that_can_be_shown_and_kept() {
        for fit in ["helper@http://10.0.0.7:7071", "é", &"x".repeat(512)] {
            assert_eq!(InstanceId::parse(fit).unwrap().as_str(), fit);
        }
        for unfit in ["", "a\nb", &"x".repeat(513)] {
            let error = InstanceId::parse(unfit).unwrap_err();
            assert!(error.to_string().contains("1 to 512"), "{error}");
            let json = serde_json::to_string(unfit).unwrap();
            assert!(serde_json::from_str::<InstanceId>(&json).is_err());
        }
    }

    #[test]
    fn a_place_is_read_as_it_is_written_and_no_other_text_is_one() {
        let of = |since, node: &str, instance: &str| RecordPlace {
            since: at(since),
            node: node.into(),
            instance: instance.into(),
        };
        let begun = RecordPlace::at(at(7));
        let places = [
            of(-7, "sup.1:7070", "helper@http://h#1.2"),
            begun.clone(),
            of(7, "n", ""),
        ];
        assert!(places.is_sorted());
        for place in places {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for nonsense in ["", "7", "7.n", "x.n#i", "7.a b#i", "7.n#a\nb"] {
            assert_eq!(nonsense.parse::<RecordPlace>(), Err(UnknownPlace), "{nonsense}");
        }
    }

    #[test]
    fn a_version_is_cut_between_characters() {
        let instance = AgentInstance {
            id: "helper@h".into(),
            node: "h".into(),
            version: "é".repeat(99),
            health: Health::Healthy,
            breaker: BreakerState::Closed,
            in_flight: 1,
            restarts: 0,
            last_error: None,
        };
        let seen = InstanceSeen::of(&instance).unwrap();
        assert_eq!(seen.version, "é".repeat(50));
        let unnamed = AgentInstance {
            id: String::new(),
            ..instance
        };
        assert!(InstanceSeen::of(&unnamed).is_err());
    }
}
