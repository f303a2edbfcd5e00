//! Every name that calls may ask for.

use std::collections::BTreeSet;

use greenroom_kernel::{Capabilities, ModelListing};

use crate::route::{DEFAULT, resolve};
use crate::router::ModelRouter;

impl ModelRouter {
    /// The routes, then each provider's models: by their own name, and as `provider/model` where a route or an earlier
    /// provider has that name.
    pub(crate) fn names(&self) -> Vec<ModelListing> {
        let models = self.models();
        let candidates = self.candidates(&models);
        let can = |provider: &str, model: &str, told: Capabilities| {
            self.shared.capabilities.can(provider, model, told)
        };
        let mut names = BTreeSet::new();
        let mut listing = Vec::new();
        let others = self
            .shared
            .routes
            .keys()
            .map(String::as_str)
            .filter(|name| *name != DEFAULT);
        for route in std::iter::once(DEFAULT).chain(others) {
            // One that leads to nobody yet can't be called.
            let Ok((_, placed)) = resolve(Some(route), &self.shared.routes, &candidates) else {
                continue;
            };
            let first = placed
                .first()
                .and_then(|p| Some((candidates.get(p.provider)?, p)));
            names.insert(route.to_owned());
            listing.push(ModelListing {
                id: route.to_owned(),
                provider: None,
                can: first.map_or_else(Capabilities::default, |(c, p)| can(c.name, &p.model, p.can)),
            });
        }
        for candidate in &candidates {
            for model in candidate.models {
                let own = model.name.clone();
                let id = if names.contains(&own) {
                    format!("{}/{own}", candidate.name)
                } else {
                    own
                };
                if names.insert(id.clone()) {
                    listing.push(ModelListing {
                        id,
                        provider: Some(candidate.name.to_owned()),
                        can: can(candidate.name, &model.name, model.can),
                    });
                }
            }
        }
        listing
    }
}
