//! A list that somebody wrote down: addresses, or the name of a load balancer.

use async_trait::async_trait;
use greenroom_kernel::{
    Discovery, DiscoveryError, HealthHint, HostPort, Member, MemberId, MemberListing, MemberRole, Sighting,
};

/// Members that are always the same ones. A name (a load balancer's, say) is one member: whoever dials it resolves it.
#[derive(Debug, Clone)]
pub struct Fixed {
    listing: MemberListing,
}

impl Fixed {
    /// Of addresses; one that is named twice is one member.
    pub fn new(role: MemberRole, addresses: impl IntoIterator<Item = HostPort>) -> Self {
        let mut listing = MemberListing::default();
        for address in addresses {
            let Ok(id) = MemberId::parse(&format!("{}:{}", address.host(), address.port())) else {
                continue;
            };
            if listing.members.iter().all(|known| known.member.id != id) {
                listing.members.push(Sighting {
                    member: Member::at(id, role, address),
                    hint: HealthHint::None,
                });
            }
        }
        Self { listing }
    }
}

#[async_trait]
impl Discovery for Fixed {
    fn place(&self) -> String {
        "the configured list of hosts".to_owned()
    }

    async fn revision(&self) -> Result<Option<i64>, DiscoveryError> {
        Ok(Some(0))
    }

    async fn list(&self) -> Result<MemberListing, DiscoveryError> {
        Ok(self.listing.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_named_twice_is_one_member_and_a_load_balancer_s_name_stays_one() {
        let hosts = [
            "http://10.0.0.1:7071",
            "10.0.0.1:7071",
            "internal-agents-1.elb.amazonaws.com:80",
        ];
        let fixed = Fixed::new(MemberRole::Agent, hosts.map(|host| host.parse().unwrap()));
        let listing = fixed.list().await.unwrap();
        let shown: Vec<_> = listing
            .members
            .iter()
            .map(|seen| seen.member.address.to_string())
            .collect();
        assert_eq!(shown, ["10.0.0.1:7071", "internal-agents-1.elb.amazonaws.com:80"]);
    }
}
