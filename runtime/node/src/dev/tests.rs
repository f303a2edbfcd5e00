use std::collections::BTreeMap;

use super::*;
use crate::config::{self, Sources};

fn config(variables: &[(&str, &str)]) -> Config {
    let mut all: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    all.insert("GREENROOM__STORE__PATH".to_owned(), "s".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources {
        folder: folder.path().to_owned(),
        variables: all,
        ..Sources::default()
    };
    config::load(&sources).unwrap().config
}

#[test]
fn loopback_is_admitted_and_anything_else_only_when_asked_for() {
    for listen in ["127.0.0.1:0", "[::1]:8080", "localhost:1"] {
        assert!(
            admit_addresses(&config(&[("GREENROOM__GATEWAY__LISTEN", listen)]), false).is_ok(),
            "{listen}"
        );
    }
    for key in ["GATEWAY", "AGENT", "OPERATOR"] {
        let open = config(&[(&format!("GREENROOM__{key}__LISTEN"), "0.0.0.0:1")]);
        assert!(admit_addresses(&open, false).is_err(), "{key}");
        assert!(admit_addresses(&open, true).is_ok(), "{key}");
    }
}
