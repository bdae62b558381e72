//! Edits of pictures by Imagen on Vertex AI, with a mask and without.

use base64::{Engine, prelude::BASE64_STANDARD};
use dragoman_tests::{
    harness::{Config, Reply, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use reqwest::{
    Method,
    multipart::{Form, Part},
};

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let config = Config::new()
                .vertex("imagen", &provider, "imagen-4.0-generate-001")
                .vertex("inpaint", &provider, "imagen-3.0-capability-001");
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

/// A picture of two pixels, the first of which is clear.
const MASK: &str = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAYAAAD0In+KAAAA\
    DklEQVR4nGNgAIL/QAAACf8D/daDQRcAAAAASUVORK5CYII=";

/// Asks for an edit of some picture, where the mask is clear.
async fn edit(model: &str, prompt: &str, mask: Option<Vec<u8>>) -> Reply {
    let file = |bytes| Part::bytes(bytes).file_name("f.png");
    let mut form = Form::new()
        .text("model", model.to_owned())
        .text("prompt", prompt.to_owned())
        .text("n", "2")
        .part("image", file(b"picture".to_vec()));
    if let Some(mask) = mask {
        form = form.part("mask", file(mask));
    }
    let stack = &fixture().await.stack;
    let request = stack.request(Method::POST, "/v1/images/edits");
    Reply::of(request.multipart(form)).await
}

#[test]
fn imagen_edits_with_its_model_for_it() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        let whole = edit("inpaint", "the whole picture", None).await.ok();
        assert_eq!(whole["data"].as_array().map(Vec::len), Some(2));
        let sent = provider.request_with("the whole picture").json();
        assert_eq!(sent["parameters"]["editMode"], "EDIT_MODE_DEFAULT");

        let mask = BASE64_STANDARD.decode(MASK).unwrap();
        let reply = edit("inpaint", "where it is clear", Some(mask)).await;
        assert_eq!(reply.ok()["data"][0]["b64_json"], "aW1hZ2U=");
        let row = stack.ledger().request(&reply.request_id()).await;
        assert_eq!(row.images, 2);
        let sent = provider.request_with("where it is clear");
        let method = "/publishers/google/models/imagen-3.0-capability-001:predict";
        assert!(sent.path.ends_with(method), "{}", sent.path);
        let sent = sent.json();
        let mask = &sent["instances"][0]["referenceImages"][1]["referenceImage"];
        let mask = mask["bytesBase64Encoded"].as_str().unwrap();
        let mask = BASE64_STANDARD.decode(mask).unwrap();
        assert_eq!(mask[25], 0, "shades of grey are what Imagen reads");
    });
}

#[test]
fn an_imagen_that_only_draws_says_which_one_edits() {
    run(async {
        let refused = edit("imagen", "nobody edits this", None).await;
        let error = refused.error(400, "invalid_request_error");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("imagen-3.0-capability-001"), "{message}");
        let broken = edit("inpaint", "x", Some(b"\x89PNG and no more".to_vec())).await;
        let error = broken.error(400, "invalid_request_error");
        assert_eq!(error["param"], "mask");
    });
}
