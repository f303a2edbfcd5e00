//! What `dev` says when it serves.

use std::net::SocketAddr;

use crate::parts::{model_lines, notice, url};

/// What the banner tells.
pub(crate) struct Banner<'a> {
    pub(crate) gateway: SocketAddr,
    pub(crate) graphiql: bool,
    pub(crate) operator: SocketAddr,
    pub(crate) store: &'a str,
    /// Each as `name` or `name (models)`.
    pub(crate) providers: &'a [String],
    pub(crate) why: &'a str,
    pub(crate) unused: &'a [String],
    pub(crate) agents: &'a [&'a str],
    pub(crate) joined: &'a [String],
    /// Where more agent hosts are looked for.
    pub(crate) discovery: Option<&'a str>,
    pub(crate) insecure: bool,
}

impl Banner<'_> {
    /// The banner's lines.
    pub(crate) fn render(&self) -> String {
        let url = url(self.gateway);
        let graphiql = match self.graphiql {
            true => " (GraphiQL in a browser)",
            false => "",
        };
        let mut lines = vec![
            ("page", format!("{url}/ (chat in a browser)")),
            ("chat", format!("greenroom chat{}", self.chat_flag())),
            ("GraphQL", format!("{url}/graphql{graphiql}")),
            ("store", self.store.to_owned()),
        ];
        lines.extend(model_lines(self.providers, self.why, self.unused));
        lines.push(("agents", self.agents.join(", ")));
        lines.extend(self.joined.iter().map(|host| ("", format!("{host} (joining)"))));
        if let Some(discovery) = self.discovery {
            lines.push(("", format!("those found in {discovery}")));
        }
        lines.push(("operator", format!("http://{}/metrics", self.operator)));
        if self.insecure {
            let warning = "--insecure: whoever can reach this address may do everything";
            lines.push(("WARNING", warning.to_owned()));
        }
        notice(&url, &lines)
    }

    fn chat_flag(&self) -> String {
        match self.gateway.to_string().as_str() {
            "127.0.0.1:8080" => String::new(),
            _ => format!(" --url {}", url(self.gateway)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner() -> Banner<'static> {
        Banner {
            gateway: ([127, 0, 0, 1], 8080).into(),
            graphiql: true,
            operator: ([127, 0, 0, 1], 9464).into(),
            store: "/data/greenroom.sqlite",
            providers: &[],
            why: "nothing was found",
            unused: &[],
            agents: &[],
            joined: &[],
            discovery: None,
            insecure: false,
        }
    }

    #[test]
    fn the_banner_tells_where_what_and_why() {
        let (providers, agents) = (["ollama".to_owned()], ["assistant", "summarizer", "echo"]);
        let (unused, joined) = (["AWS …".to_owned()], ["http://127.0.0.1:7071".to_owned()]);
        let banner = Banner {
            providers: &providers,
            why: "Ollama answers",
            agents: &agents,
            unused: &unused,
            joined: &joined,
            discovery: Some("DNS agents.internal:7071"),
            ..banner()
        };
        let expected = format!(
            "greenroom {} is up: http://127.0.0.1:8080\n  \
               page      http://127.0.0.1:8080/ (chat in a browser)\n  \
               chat      greenroom chat\n  \
               GraphQL   http://127.0.0.1:8080/graphql (GraphiQL in a browser)\n  \
               store     /data/greenroom.sqlite\n  \
               model     ollama: Ollama answers\n  \
               \u{20}         AWS …\n  \
               agents    assistant, summarizer, echo\n  \
               \u{20}         http://127.0.0.1:7071 (joining)\n  \
               \u{20}         those found in DNS agents.internal:7071\n  \
               operator  http://127.0.0.1:9464/metrics\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(banner.render(), expected);
    }

    #[test]
    fn another_port_is_told_to_chat_and_an_open_address_is_warned_of() {
        let said = Banner {
            gateway: ([0, 0, 0, 0], 9000).into(),
            insecure: true,
            ..banner()
        }
        .render();
        assert!(
            said.contains("greenroom chat --url http://127.0.0.1:9000\n"),
            "{said}"
        );
        assert!(
            said.contains("WARNING") && said.contains("model     none: nothing was found"),
            "{said}"
        );
    }
}
