//! Pages of other origins. Which may read is said with `--origin`.

use axum::http::{Method, Response};
use hyper::body::Bytes;

use crate::conformance::{
    case::{cases, ensure},
    room::Room,
};

use super::get::header;

const ALLOWED: &str = "access-control-allow-origin";
/// No page of this may read.
const FOREIGN: &str = "https://conformance.invalid";

cases! {
    Get
    "cors-preflight" [Origin], "Fetch, 3.3.3",
    "A page that asks whether it may send a token is allowed to." => |room| {
        let answer = preflight(&room, own(&room)).await?;
        ensure(answer.status().is_success() && allows(&answer, own(&room)), || {
            format!("it was answered {} for {:?}", answer.status().as_u16(), header(&answer, ALLOWED))
        })
    }
    "cors-preflight-headers" [Origin], "Fetch, 3.3.3",
    "A page may send its token, and which list it has, in a header." => |room| {
        let answer = preflight(&room, own(&room)).await?;
        let allowed = header(&answer, "access-control-allow-headers").to_lowercase();
        // `*` does not mean `Authorization`.
        ensure(allowed.contains("authorization") && (allowed.contains("if-none-match") || allowed.contains('*')), || {
            format!("allowed is {allowed:?}")
        })
    }
    "cors-preflight-without-a-token" [Origin], "Fetch, 4.8",
    "A preflight has no token, and is answered without one." => |room| {
        let status = preflight(&room, own(&room)).await?.status().as_u16();
        ensure(status < 400, || format!("it was answered {status}"))
    }
    "cors-answer" [Origin], "Fetch, 3.3.3",
    "A page that may read may read the list." => |room| {
        let answer = room.get(&[("origin", own(&room).as_bytes())]).await?;
        ensure(allows(&answer, own(&room)), || format!("allowed is {:?}", header(&answer, ALLOWED)))
    }
    "cors-refusal" [Origin], "Fetch, 3.3.3",
    "A page that may read may read why it is refused." => |room| {
        let path = room.target().list_path_of_encoded("");
        let answer = room.ask(Method::GET, &path, &[("origin", own(&room).as_bytes())]).await?;
        ensure(allows(&answer, own(&room)), || format!("allowed is {:?}", header(&answer, ALLOWED)))
    }
    "cors-not-modified" [Origin], "Fetch, 3.3.3",
    "A page that may read may read that it has the list already." => |room| {
        let tag = super::get_caching::tag_of(&room.get(&[]).await?)?;
        let answer = room.get(&[("origin", own(&room).as_bytes()), ("if-none-match", tag.as_bytes())]).await?;
        ensure(answer.status() == 304 && allows(&answer, own(&room)), || {
            format!("it was answered {} for {:?}", answer.status().as_u16(), header(&answer, ALLOWED))
        })
    }
    "cors-etag" [Origin], "Fetch, 3.3.3",
    "A page that may read may read the ETag, without which it cannot ask again." => |room| {
        let answer = room.get(&[("origin", own(&room).as_bytes())]).await?;
        let exposed = header(&answer, "access-control-expose-headers").to_lowercase();
        ensure(exposed.contains("etag") || exposed == "*", || format!("exposed is {exposed:?}"))
    }
    "cors-varies" [Origin], "RFC 9110, 12.5.5",
    "An answer that names an origin says that it varies with it." => |room| {
        let answer = room.get(&[("origin", own(&room).as_bytes())]).await?;
        let varies = answer.headers().get_all("vary").iter().filter_map(|value| value.to_str().ok());
        let varies = varies.collect::<Vec<_>>().join(",").to_lowercase();
        ensure(header(&answer, ALLOWED) == "*" || varies.contains("origin"), || format!("`Vary` is {varies:?}"))
    }
    "cors-stream" [Origin], "Fetch, 3.3.3",
    "A page that may read may read a stream." => |room| {
        let stream = room.stream_with(&[("origin", own(&room).as_bytes())]).await?;
        let allowed = stream.header(ALLOWED).to_owned();
        ensure(allowed == own(&room) || allowed == "*", || format!("allowed is {allowed:?}"))
    }
    "cors-foreign-origin" [Origin], "Fetch, 3.3.3",
    "A page of another origin may not, unless all may: no answer repeats whatever origin asks." => |room| {
        let answer = room.get(&[("origin", FOREIGN.as_bytes())]).await?;
        ensure(header(&answer, ALLOWED) != FOREIGN, || "it is allowed".to_owned())
    }
    "cors-foreign-preflight" [Origin], "Fetch, 3.3.3",
    "A page of another origin is not told in a preflight that it may read." => |room| {
        let answer = preflight(&room, FOREIGN).await?;
        ensure(header(&answer, ALLOWED) != FOREIGN, || "it is allowed".to_owned())
    }
    "cors-credentials", "Fetch, 3.3.5",
    "No answer allows cookies to all origins at once." => |room| {
        let answer = room.get(&[("origin", FOREIGN.as_bytes())]).await?;
        let both = header(&answer, "access-control-allow-credentials") == "true" && allows(&answer, FOREIGN);
        ensure(!both, || "it does".to_owned())
    }
}

fn own(room: &Room) -> &str {
    room.target().origin.as_deref().unwrap_or_default()
}

fn allows(answer: &Response<Bytes>, origin: &str) -> bool {
    let allowed = header(answer, ALLOWED);
    allowed == origin || allowed == "*"
}

async fn preflight(room: &Room, origin: &str) -> Result<Response<Bytes>, String> {
    let headers: [(&'static str, &[u8]); 3] = [
        ("origin", origin.as_bytes()),
        ("access-control-request-method", b"GET"),
        ("access-control-request-headers", b"authorization,if-none-match"),
    ];
    room.ask_as_anybody(Method::OPTIONS, &room.target().list_path(room.name()), &headers).await
}
