//! The browser helper of the console's journeys sees what it promises to see, in the real Chromium.

use std::path::Path;

use claviger_testkit::browser::run_journey;
use claviger_testkit::folder;
use claviger_testkit::stub::{Reply, Seen, Stub};

/// As strict as the console's own.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

fn page(body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta name=viewport content='width=device-width'><title>A page</title>\
         <link rel=icon href=/icon.png><link rel=stylesheet href=/style.css><main><h1>A page</h1>{body}</main></html>"
    )
}

fn answer(seen: &Seen) -> Reply {
    let script = |source: &str| page(&format!("<script src={source}></script>"));
    let html = match seen.target.as_str() {
        "/good" => page("<button>Show</button> <p role=status></p><script src=/good.js></script>"),
        "/inline-script" => page("<script>document.title = 'x'</script>"),
        "/inline-style" => page("<p style='color: red'>x</p>"),
        "/inner-html" => script("/inner-html.js"),
        "/eval" => script("/eval.js"),
        "/elsewhere" => page("<img alt=x src=http://127.0.0.2:1/x.png>"),
        "/exception" => script("/exception.js"),
        "/console-error" => script("/console-error.js"),
        "/missing-resource" => page("<img alt=x src=/absent.png>"),
        "/inaccessible" => "<!doctype html><title>A page</title><link rel=icon href=/icon.png><link rel=stylesheet href=/style.css>\
             <img src=/icon.png><p class=pale>barely to be seen</p><p class=wide>x</p>"
            .to_owned(),
        target => return file(target),
    };
    Reply::status(200).header("Content-Type", "text/html; charset=utf-8").header("Content-Security-Policy", POLICY).body(html)
}

fn file(target: &str) -> Reply {
    let (kind, text) = match target {
        "/style.css" => ("text/css", ".pale { color: #eee; background: #fff } .wide { width: 900px }"),
        "/good.js" => (
            "text/javascript",
            "document.querySelector('button').onclick = () => {
                document.querySelector('[role=status]').textContent = 'shown by the script';
            };",
        ),
        "/inner-html.js" => ("text/javascript", "document.querySelector('h1').innerHTML = '<i>x</i>';"),
        "/eval.js" => ("text/javascript", "eval('1 + 1');"),
        "/exception.js" => ("text/javascript", "throw new Error('boom');"),
        "/console-error.js" => ("text/javascript", "console.error('oh dear');"),
        // Not a picture, and no error either: Chromium shows nothing.
        "/icon.png" => ("image/png", ""),
        _ => {
            return Reply::status(404).header("Content-Type", "text/html").body(page("absent"));
        }
    };
    Reply::status(200).header("Content-Type", kind).body(text)
}

#[test]
fn a_journey_fails_on_all_that_the_helper_promises_to_see() {
    let site = Stub::start(answer);
    let address = format!("http://{}", site.address());
    let artifacts = folder::temporary("artifacts");
    let artifacts = artifacts.path().to_str().expect("temporary paths are text");
    let environment = [("SITE", address.as_str()), ("CLAVIGER_ARTIFACTS", artifacts)];
    let output = run_journey(Path::new("self-test.mjs"), &environment);
    assert!(output.contains("self-test: ok"), "{output}");
}

#[test]
fn a_journey_that_fails_takes_the_test_with_it_and_says_why() {
    let artifacts = folder::temporary("artifacts");
    let artifacts = artifacts.path().to_str().expect("temporary paths are text");
    let failed = std::panic::catch_unwind(|| {
        let environment = [("SITE", "http://127.0.0.1:1"), ("CLAVIGER_ARTIFACTS", artifacts)];
        run_journey(Path::new("self-test.mjs"), &environment)
    });
    let why = failed.expect_err("nobody listens there");
    let why = why.downcast_ref::<String>().expect("a panic has words");
    assert!(why.contains("ERR_CONNECTION_REFUSED") || why.contains("ERR_UNSAFE_PORT"), "{why}");
}
