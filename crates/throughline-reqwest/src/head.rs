//! A request's head, as throughline reads it.

use std::mem;

use http::{Extensions, Uri};
use reqwest::Request;

/// The head of a request: its headers are taken out of it, the rest is copied, and there are no extensions.
pub(crate) fn take(request: &mut Request) -> http::Request<()> {
    let mut head = http::Request::new(());
    head.method_mut().clone_from(request.method());
    // A URL that is no `Uri` is refused by reqwest, in its own words.
    *head.uri_mut() = Uri::try_from(request.url().as_str()).unwrap_or_default();
    *head.version_mut() = request.version();
    *head.headers_mut() = mem::take(request.headers_mut());
    head
}

/// Gives the headers back.
pub(crate) fn put_back(head: http::Request<()>, request: &mut Request) {
    *request.headers_mut() = head.into_parts().0.headers;
}

/// A copy of the extensions. reqwest lends them to nobody, but a clone that is made an `http::Request` has them.
pub(crate) fn extensions(request: &mut Request) -> Extensions {
    // A stream cannot be cloned, and need not be.
    let body = request.body_mut().take();
    let clone = request.try_clone().and_then(|clone| http::Request::try_from(clone).ok());
    *request.body_mut() = body;
    clone.map(|clone| clone.into_parts().0.extensions).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderValue, Method, Version};
    use reqwest::Body;

    use super::*;

    #[derive(Clone, PartialEq, Debug)]
    struct Extension(u8);

    fn request(url: &str) -> Request {
        let mut request = http::Request::post("http://h/").extension(Extension(7)).body("body").unwrap();
        request.headers_mut().insert("x-tenant", HeaderValue::from_static("shop"));
        *request.version_mut() = Version::HTTP_2;
        let mut request = Request::try_from(request).unwrap();
        *request.url_mut() = url.parse().unwrap();
        *request.timeout_mut() = Some(Duration::from_secs(1));
        request
    }

    #[test]
    fn a_head_has_everything_but_the_body() {
        let mut whole = request("http://u:p@h:81/a?q=1#f");
        let head = take(&mut whole);
        assert_eq!((head.method(), head.version()), (&Method::POST, Version::HTTP_2));
        assert_eq!(head.uri(), "http://u:p@h:81/a?q=1");
        assert_eq!(head.headers()["x-tenant"], "shop");
        assert_eq!(extensions(&mut whole).get(), Some(&Extension(7)));
    }

    #[test]
    fn a_request_is_afterwards_what_it_was() {
        for url in ["http://u:p@h:81/a?q=1#f", "https://{{host}}/"] {
            let mut whole = request(url);
            let mut head = take(&mut whole);
            extensions(&mut whole);
            head.headers_mut().insert("traceparent", HeaderValue::from_static("00"));
            put_back(head, &mut whole);
            assert_eq!((whole.method(), whole.url()), (&Method::POST, &url.parse().unwrap()));
            assert_eq!((whole.version(), whole.timeout()), (Version::HTTP_2, Some(&Duration::from_secs(1))));
            assert_eq!(
                (&whole.headers()["x-tenant"], &whole.headers()["traceparent"]),
                (&"shop".parse().unwrap(), &"00".parse().unwrap())
            );
            assert_eq!(whole.body().and_then(Body::as_bytes), Some(&b"body"[..]));
            assert!(whole.try_clone().is_some());
        }
    }

    #[test]
    fn a_streamed_body_is_not_in_the_way() {
        let mut whole = request("http://h/a");
        let frames = futures_util::stream::empty::<Result<hyper::body::Frame<bytes::Bytes>, std::io::Error>>();
        *whole.body_mut() = Some(Body::wrap(http_body_util::StreamBody::new(frames)));
        assert!(whole.try_clone().is_none(), "it cannot be cloned");
        assert_eq!(extensions(&mut whole).get(), Some(&Extension(7)));
        assert!(whole.body().is_some_and(|body| body.as_bytes().is_none()));
    }

    #[test]
    fn a_url_that_is_no_uri_leaves_the_method() {
        let mut whole = request("https://{{host}}/");
        assert_eq!(take(&mut whole).method(), Method::POST);
    }
}
