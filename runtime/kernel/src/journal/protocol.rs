//! The rules an owner writes by, each a switch so that the simulator can show what breaks without it.

/// The append protocol. Production runs [`Protocol::SOUND`]; the other values exist because a check that can't
/// fail proves nothing: the simulator plants each hole and must find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    pub(super) own_append: OwnAppend,
    pub(super) epoch_collision: EpochCollision,
    pub(super) unanswered: Unanswered,
    pub(super) appends_in_flight: usize,
    pub(super) effect: EffectAfter,
}

/// How an owner knows its own append in an occupied slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnAppend {
    /// By its nonce.
    Nonce,
    /// By its writer: a hole.
    Writer,
}

/// What a new owner does when its epoch record collides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochCollision {
    /// Folds what it collided with and tries again.
    Fold,
    /// Tries the next slot without looking: a hole.
    Skip,
}

/// What an owner does about an append that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Sends the same append again until it succeeds or collides.
    Resend,
    /// Takes a slot that reads empty for an append that did not happen: a hole.
    Drop,
}

/// When a step that must not happen twice takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectAfter {
    /// When everything before it is durable, its own start included.
    Durable,
    /// At once: a hole.
    Sent,
}

impl Protocol {
    /// The protocol as designed.
    pub const SOUND: Protocol = Protocol {
        own_append: OwnAppend::Nonce,
        epoch_collision: EpochCollision::Fold,
        unanswered: Unanswered::Resend,
        appends_in_flight: 1,
        effect: EffectAfter::Durable,
    };
}

#[cfg(test)]
impl Protocol {
    /// The sound protocol with a hole: a colliding epoch skips what it collided with.
    pub(super) const SKIPS_COLLIDED_EPOCH: Protocol = Protocol {
        epoch_collision: EpochCollision::Skip,
        ..Self::SOUND
    };
    /// The sound protocol with holes: an empty slot is taken for an append that did not happen, and own appends
    /// are known by their writer.
    pub(super) const DROPS_UNANSWERED: Protocol = Protocol {
        unanswered: Unanswered::Drop,
        own_append: OwnAppend::Writer,
        ..Self::SOUND
    };
    /// The sound protocol with a hole: two appends may be in flight.
    pub(super) const PIPELINES: Protocol = Protocol {
        appends_in_flight: 2,
        ..Self::SOUND
    };
    /// The sound protocol with a hole: effects happen before their start is durable.
    pub(super) const FIRES_EARLY: Protocol = Protocol {
        effect: EffectAfter::Sent,
        ..Self::SOUND
    };
}
