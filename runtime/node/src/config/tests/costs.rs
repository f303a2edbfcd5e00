use greenroom_kernel::{About, BudgetWindow};

use super::*;

#[test]
fn a_budget_is_read_with_what_it_leaves_out() {
    let file = "[[budgets]]\nid = \"all\"\nlimit_usd = 2.5\n[[budgets]]\nid = \"each\"\nsubject = \"*\"\nmodel = \"openai/*\"\n\
                window = \"day\"\nlimit_tokens = 7\nhard = false\n[requests]\nkeep_days = 3\n";
    let config = load(&world(file, &[]).sources).unwrap().config;
    let [all, each] = &config.budgets[..] else {
        panic!("{:?}", config.budgets);
    };
    assert_eq!(
        (all.tenant.as_str(), all.window, all.hard),
        ("dev", BudgetWindow::Month, true)
    );
    assert_eq!(
        (all.limit_nanos, all.limit_tokens, &all.subject),
        (Some(2_500_000_000), None, &About::All)
    );
    assert_eq!(
        (&each.subject, &each.model),
        (&About::Each, &About::One("openai/*".into()))
    );
    assert_eq!(
        (each.window, each.limit_tokens, each.hard),
        (BudgetWindow::Day, Some(7), false)
    );
    assert_eq!((config.requests.keep_days, config.requests.content), (3, false));
}

#[test]
fn a_budget_that_makes_no_sense_is_refused_by_its_name() {
    for (file, why) in [
        (
            "[[budgets]]\nid = \"all\"\n",
            "all: limit_usd: give it, limit_tokens or both",
        ),
        (
            "[[budgets]]\nid = \"a b\"\nlimit_usd = 1.0\n",
            "a b: id: a budget's id must match",
        ),
        (
            "[[budgets]]\nid = \"all\"\nlimit_usd = -1.0\n",
            "all: limit_usd: it must be from 0",
        ),
        (
            "[[budgets]]\nid = \"x\"\nlimit_usd = 1.0\n[[budgets]]\nid = \"x\"\nlimit_usd = 1.0\n",
            "x: id: there are two",
        ),
        ("[requests]\nkeep_days = 0\n", "requests.keep_days"),
        ("[[budgets]]\nid = \"x\"\nlimit_eur = 1.0\n", "limit_eur"),
    ] {
        let said = mistake(file, &[]);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn prices_of_one_s_own_make_another_version_of_the_table() {
    let version = |file: &str| {
        load(&world(file, &[]).sources)
            .unwrap()
            .config
            .models
            .prices
            .version
    };
    let own = |input: &str| {
        version(&format!(
            "[models.prices.\"a/b\"]\ninput = {input}\noutput = 1.0\n"
        ))
    };
    assert_ne!(version(""), own("1.0"));
    assert_ne!(own("1.0"), own("2.0"));
    assert_eq!(own("1.0"), own("1.0"));
}
