//! Who calls.

use serde::{Deserialize, Serialize};

use crate::{Subject, TenantId};

/// An authenticated caller. A session belongs to `(tenant, subject)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Whose data.
    pub tenant: TenantId,
    /// Which caller of that tenant.
    pub subject: Subject,
    /// What the caller may do.
    pub scopes: Vec<String>,
    /// The caller's class of service.
    pub tier: String,
}

impl Principal {
    /// Holds the scope to see other subjects' sessions of the tenant.
    pub const SESSIONS_ALL: &'static str = "sessions:all";

    /// Whether the caller may see what belongs to `subject` of its own tenant.
    pub fn sees(&self, subject: &Subject) -> bool {
        self.subject == *subject || self.sees_all()
    }

    /// Whether the caller may see what belongs to any subject of its own tenant.
    pub fn sees_all(&self) -> bool {
        self.scopes.iter().any(|s| s == Self::SESSIONS_ALL)
    }
}
