//! What work cost is summed up by run, task, label and actor.

use sessile::{
    command::{NewRun, NewSession, NewThread},
    model::{Actor, Budget, Currency, Labels, ProjectConfig, RunOutcome, Tokens, Usage},
};

use crate::program::{Place, sessile};

/// Three runs of two tasks, of which the second used half of the first.
fn sample() -> (Place, String) {
    let place = Place::new();
    let store = place.store();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let open = sessile::open(&store).await.unwrap();
        let ann = open.caller("local", Actor::user("ann")).unwrap();
        let config = ProjectConfig::default().with_budget(Budget::of_tokens(8_000));
        let project = sessile::command::NewProject::named("shop").with_config(config);
        let project = ann.create_project(project).await.unwrap();
        let thread = NewThread::titled("the shop").with_budget(Budget::of_tokens(5_000));
        let thread = ann.create_thread(project, thread).await.unwrap();
        let owner = Actor::agent("coder").in_tenant(&ann.caller().tenant).unwrap();
        let usd = || Currency::new("USD").unwrap();
        for (name, runs) in [("build", &[800, 400][..]), ("test\u{202e}", &[100])] {
            let new = NewSession::named(name).for_task(name).owned_by(owner.clone());
            let new = new.with_budget(Budget::of_cost(usd(), 9_000_000));
            let session = ann.create_session(thread, new).await.unwrap();
            for tokens in runs {
                let labels = Labels::new().with("model", "opus");
                let run = NewRun { labels, ..NewRun::default() };
                let run = ann.start_run(session, run).await.unwrap();
                let usage = Usage::new(Tokens::new(*tokens, tokens / 4), 2);
                let usage = usage.with_cost(usd(), tokens * 1_000);
                ann.book_usage(run, "call", usage).await.unwrap();
                ann.end_run(run, RunOutcome::Succeeded).await.unwrap();
            }
        }
        let bare = ann.create_session(thread, "bare").await.unwrap();
        ann.start_run(bare, NewRun::default()).await.unwrap();
        open.close().await.unwrap();
    });
    (place, store)
}

#[test]
fn each_run_is_compared_with_the_one_before() {
    let (_place, store) = sample();
    let said = sessile(["usage", &store, "--by", "run"]);
    assert_eq!(said.status, 0, "{said:?}");
    for shown in ["run_", "-50.0%", "0.80 USD", "0.40 USD", "succeeded"] {
        assert!(said.out.contains(shown), "{shown}: {said:?}");
    }
    assert!(!said.out.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    let document = sessile(["usage", &store, "--by", "run", "--json"]).json();
    let runs = document["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 4, "{document}");
    assert!(runs[0]["change"].is_null());
    assert_eq!(runs[1]["change"]["tokens"], -50.0);
    assert_eq!(runs[1]["change"]["cost"]["USD"], -50.0);
    assert!(runs[2]["change"].is_null(), "it is of another session: {document}");
    assert_eq!((&runs[1]["iteration"], &runs[1]["tokens"]["input"]), (&2.into(), &400.into()));
}

#[test]
fn runs_are_summed_up_by_what_they_share() {
    let (_place, store) = sample();
    let groups =
        |by: &str| sessile(["usage", &store, "--by", by, "--json"]).json()["groups"].clone();
    let tasks = groups("task");
    let build = &tasks[1];
    assert_eq!((&build["name"], &build["runs"]), (&"build".into(), &2.into()), "{tasks}");
    assert_eq!(build["tokens"]["input"], 1_200);
    assert_eq!(build["per_run"]["tokens"], 750.0);
    assert_eq!(build["per_run"]["cost"]["USD"], 600_000.0);
    assert!(tasks[0]["name"].is_null() && tasks[0]["calls"] == 0, "{tasks}");
    let labels = groups("label");
    assert_eq!((&labels[1]["name"], &labels[1]["runs"]), (&"model=opus".into(), &3.into()));
    let actors = groups("actor");
    assert_eq!((&actors[1]["name"], &actors[1]["runs"]), (&"coder".into(), &3.into()));
    assert_eq!(actors[1]["cost"]["USD"], 1_300_000);
    let said = sessile(["usage", &store, "--by", "task"]);
    for shown in ["build", "750.0", "0.600000 USD", "tokens a run"] {
        assert!(said.out.contains(shown), "{shown}: {said:?}");
    }
    assert_eq!(sessile(["usage", &store, "--by", "colour"]).status, 2);
}

#[test]
fn a_budget_is_shown_with_what_is_used_of_it() {
    let (_place, store) = sample();
    let tree = sessile(["tree", &store, "--json"]).json();
    let project = &tree["projects"][0];
    let (thread, id) =
        (&project["threads"][0], |it: &serde_json::Value| it["id"].as_str().unwrap().to_owned());
    let shown = |id: String| sessile(["show", &store, &id]).out;
    let project = shown(id(project));
    assert!(project.contains("budget") && project.contains("of 8,000 tokens"), "{project}");
    let session = shown(id(&thread["sessions"][0]));
    assert!(session.contains("1.20 USD of 9.00 USD"), "{session}");
    let thread = shown(id(thread));
    assert!(thread.contains("1,625 of 5,000 tokens"), "{thread}");
}
