//! The page that shows `/openapi.json`.

use crate::harness::document;

use super::service_and_browser;

#[tokio::test]
async fn the_page_of_the_api_shows_every_route_within_the_policy_of_the_page() {
    let (app, mut browser) = service_and_browser(&[]).await;
    let address = format!("http://{}/docs/api", app.address);
    browser.open(&address).await;
    // Waits until it is there.
    browser.click("#streamRooms > summary").await;
    assert_eq!(browser.audit().await, [""; 0]);
    assert_eq!(browser.complaints().await, [""; 0]);

    let tab = browser.open_tab(&format!("{address}#Participant")).await;
    let script = "while (document.querySelector('main').getAttribute('aria-busy') !== 'false') {
            await new Promise((done) => setTimeout(done, 20));
        }
        return [...document.querySelectorAll('details.route')].map(({ id }) => id).sort()";
    let shown: Vec<String> = browser.run(tab, script, ()).await;
    let paths = document()["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|methods| methods.as_object().unwrap().values());
    let ids = operations.map(|operation| operation["operationId"].as_str().unwrap().to_owned());
    let mut described: Vec<String> = ids.collect();
    described.sort();
    assert_eq!(shown, described);
    let is_open = "return document.getElementById('Participant').open";
    assert!(browser.run::<bool>(tab, is_open, ()).await, "what the address names is open");
}
