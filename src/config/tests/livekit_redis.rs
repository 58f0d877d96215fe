//! LiveKit's own Redis.

use super::{errors, with};

const API: (&str, &str) = ("LIVEKIT_URL", "ws://localhost:7880");

fn shown(variables: &[(&str, &str)]) -> (String, Option<&'static str>) {
    let redis = with(variables).unwrap().livekit.redis.unwrap();
    (format!("{:?}", redis.address), redis.ca_file.map(|(key, _)| key))
}

#[test]
fn it_is_named_by_an_address_or_is_that_of_the_store() {
    assert!(with(&[API]).unwrap().livekit.redis.is_none());
    let own = ("LIVEKIT_REDIS_URL", "rediss://u:hunter2@livekit:6379/3");
    assert_eq!(shown(&[API, own]), ("livekit:6379".to_owned(), None));
    let file = ("LKP__LIVEKIT__REDIS_CA_FILE", "/ca.pem");
    assert_eq!(shown(&[API, own, file]).1, Some("livekit.redis_ca_file"));
    let sentinels = ("LIVEKIT_REDIS_URL", "redis+sentinel://a,b/mymaster/2");
    assert_eq!(shown(&[API, sentinels]).0, "mymaster of sentinels a:26379,b:26379");
    let cluster = ("LIVEKIT_REDIS_URL", "redis://a:1,redis://b:2");
    assert_eq!(shown(&[API, cluster]).0, "a:1,b:2");
    let same = ("LIVEKIT_REDIS_URL", "store");
    let store = ("REDIS_URL", "rediss://redis:6379");
    assert_eq!(shown(&[API, same, store]), ("redis:6379".to_owned(), None));
    let file = ("LKP__STORE__CA_FILE", "/ca.pem");
    assert_eq!(shown(&[API, same, store, file]).1, Some("store.ca_file"));
    assert_eq!(with(&[API, own]).unwrap().livekit.redis.unwrap().bytes_per_second, 8_388_608);
    assert!(!format!("{:?}", with(&[API, own]).unwrap()).contains("hunter2"));
}

#[test]
fn what_is_wrong_with_it_is_told_once() {
    let same = ("LIVEKIT_REDIS_URL", "store");
    let [error] = &errors(&[API, same])[..] else { panic!("one error") };
    assert!(
        error.starts_with("`livekit.redis_url`: is \"store\", but `store.redis_url`"),
        "{error}"
    );
    let [error] = &errors(&[API, same, ("REDIS_URL", "nowhere")])[..] else { panic!("one error") };
    assert!(error.starts_with("`store.redis_url`: "), "{error}");
    let [error] = &errors(&[("LIVEKIT_REDIS_URL", "redis://livekit:6379")])[..] else {
        panic!("one error")
    };
    assert!(error.starts_with("`livekit.redis_url`: needs `livekit.url` (LIVEKIT_URL)"), "{error}");
    let [error] = &errors(&[API, ("LIVEKIT_REDIS_URL", "livekit:hunter2")])[..] else {
        panic!("one error")
    };
    assert!(error.ends_with("or \"store\"") && !error.contains("hunter2"), "{error}");
    let file = ("LKP__LIVEKIT__REDIS_CA_FILE", "/ca.pem");
    let store = ("REDIS_URL", "rediss://redis:6379");
    let [error] = &errors(&[API, same, store, file])[..] else { panic!("one error") };
    assert!(error.ends_with("set `store.ca_file`"), "{error}");
}
