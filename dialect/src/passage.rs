//! A form that goes to a provider while it still comes: its fields are translated when its file begins,
//! and the rest passes as it is.

use dragoman_proto::{Admission, ApiError, UpstreamConfig};

use crate::{
    head::RequestHead,
    hub::{FormFields, GATEWAY_ONLY},
    multipart::{Event, Part, Reader, plain},
    registry,
    request::{Call, Translated},
    sound::Listener,
};

/// One attempt's form.
#[derive(Debug)]
pub struct Passage {
    reader: Reader,
    parts: Vec<Part>,
    /// The form up to its file's first byte; empty once it is translated.
    beginning: Vec<u8>,
    /// Where the file's bytes begin.
    file: Option<usize>,
    /// Whether what passes is the file's.
    in_file: bool,
    sound: Listener,
    /// What the provider is not to see; `None` until that is known.
    kept_out: Option<Vec<String>>,
}

impl Passage {
    /// A form of this content type that begins.
    ///
    /// # Errors
    /// A 400, where the content type is no form's.
    pub fn new(content_type: &str) -> Result<Self, ApiError> {
        Ok(Self {
            reader: Reader::new(content_type)?,
            parts: Vec::new(),
            beginning: Vec::new(),
            file: None,
            in_file: false,
            sound: Listener::default(),
            kept_out: None,
        })
    }

    /// Takes the form's next bytes, all of them before they go on. The error is the client's 400; after
    /// it nothing more is to be fed.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        if self.file.is_none() {
            self.beginning.extend_from_slice(bytes);
        }
        let was_begun = self.file.is_some();
        let Self {
            reader,
            parts,
            file,
            in_file,
            sound,
            ..
        } = self;
        reader.feed(bytes, &mut |event| {
            match &event {
                Event::Begin { head, start, .. } if head.is_file && file.is_none() => {
                    *file = Some(*start);
                    *in_file = true;
                }
                Event::Bytes(bytes) if *in_file => sound.hear(bytes),
                Event::End(_) => *in_file = false,
                Event::Begin { .. } | Event::Bytes(_) => {}
            }
            Part::note(parts, event);
            Ok::<(), ApiError>(())
        })?;
        if let Some(file) = self.file.filter(|_| !was_begun) {
            self.beginning.truncate(file);
        }
        self.check_followers()
    }

    /// How many bytes there are before those of the file; `None` while they are not all here.
    pub const fn beginning(&self) -> Option<usize> {
        self.file
    }

    /// The request, of which [`Translated::body`] replaces the [`beginning`](Self::beginning). `None`
    /// where this deployment's form has to be whole first.
    ///
    /// An error is the client's, as that of [`translate_request`](crate::translate_request).
    pub fn translate(
        &mut self,
        config: &UpstreamConfig,
        admission: &Admission,
        head: &RequestHead<'_>,
    ) -> Result<Option<Translated>, ApiError> {
        let beginning = std::mem::take(&mut self.beginning);
        let call = Call {
            config,
            admission,
            head: *head,
            body: &beginning,
        };
        let (parts, _) = self.parts.split_at(self.first_follower());
        self.kept_out = Some(FormFields::new(&beginning, parts).kept_out(config));
        let translated = registry::provider(config.dialect)?.beginning(&call, parts)?;
        if translated.is_some() {
            self.check_followers()?;
        }
        Ok(translated)
    }

    /// The form has ended.
    pub fn finish(&self) -> Result<(), ApiError> {
        Ok(self.reader.finish()?)
    }

    /// Milliseconds of the sound that has passed so far.
    pub fn heard_ms(&self) -> u64 {
        self.sound.milliseconds()
    }

    /// The number of parts up to the file.
    fn first_follower(&self) -> usize {
        let is_before = |part: &&Part| Some(part.range.start) <= self.file;
        self.parts.iter().take_while(is_before).count()
    }

    /// Nothing may follow the file that the provider is not to see as it is.
    fn check_followers(&self) -> Result<(), ApiError> {
        let Some(kept_out) = &self.kept_out else {
            return Ok(());
        };
        for part in self.parts.iter().skip(self.first_follower()) {
            may_follow(&part.name, part.is_file)?;
            let name = plain(&part.name);
            if kept_out.iter().any(|kept_out| kept_out == name) {
                return Err(misplaced(name, name));
            }
        }
        Ok(())
    }
}

/// Whether a provider may see this part of a form as it is, behind a file that passes.
pub(crate) fn may_follow(name: &str, is_file: bool) -> Result<(), ApiError> {
    let name = plain(name);
    if is_file || name == "file" {
        return Err(misplaced("another file", name));
    }
    if name == "model" || name == "metadata" || GATEWAY_ONLY.contains(&name) {
        return Err(misplaced(name, name));
    }
    Ok(())
}

/// The error for what follows a file that passes, and may not.
pub(crate) fn misplaced(what: &str, name: &str) -> ApiError {
    ApiError::invalid(format!(
        "{what} must come before the file in a form of more than 64 KiB: the file is not waited for"
    ))
    .param(name)
}
