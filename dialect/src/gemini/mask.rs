//! Masks: OpenAI's are clear where a picture is to change
//! (<https://platform.openai.com/docs/api-reference/images/createEdit>), Imagen's are white there.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DecodingError, Encoder, Transformations};

/// Pictures with more pixels are nobody's mask.
const MAX_PIXELS: u64 = 4096 * 4096;
/// What is more opaque than this stays.
const HALF: u8 = 0x80;

/// A mask that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MaskError {
    #[error("it has too many pixels")]
    Size,
    #[error("it is no readable PNG: {0}")]
    Png(#[from] DecodingError),
    #[error("it cannot be written anew: {0}")]
    Written(#[from] png::EncodingError),
}

/// The mask with white for what is clear and black for the rest; `None` for one that has nothing
/// clear, or is no PNG: it is Imagen's own kind.
pub(super) fn white_where_clear(bytes: &[u8]) -> Result<Option<Vec<u8>>, MaskError> {
    if !bytes.starts_with(b"\x89PNG") {
        return Ok(None);
    }
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8() | Transformations::ALPHA);
    let (width, height) = decoder.read_header_info()?.size();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(MaskError::Size);
    }
    let mut reader = decoder.read_info()?;
    let size = reader.output_buffer_size().ok_or(MaskError::Size)?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels)?;
    let samples = frame.color_type.samples();
    let alphas = pixels.chunks_exact(samples).filter_map(<[u8]>::last);
    let white: Vec<u8> = alphas
        .map(|alpha| if *alpha < HALF { u8::MAX } else { 0 })
        .collect();
    if !white.contains(&u8::MAX) {
        return Ok(None);
    }
    written(width, height, &white).map(Some)
}

fn written(width: u32, height: u32, grey: &[u8]) -> Result<Vec<u8>, MaskError> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, width, height);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(grey)?;
    writer.finish()?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of one row.
    fn row(color: ColorType, pixels: &[u8]) -> Vec<u8> {
        let width = u32::try_from(pixels.len() / color.samples()).unwrap();
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, width, 1);
        encoder.set_color(color);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(pixels).unwrap();
        writer.finish().unwrap();
        out
    }

    fn read(png: &[u8]) -> (ColorType, Vec<u8>) {
        let mut reader = Decoder::new(Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        (frame.color_type, pixels)
    }

    #[test]
    fn what_is_clear_becomes_white_and_the_rest_black() {
        let pixels = [9, 9, 9, 0, 255, 255, 255, 255, 0, 0, 0, 127];
        let mask = white_where_clear(&row(ColorType::Rgba, &pixels)).unwrap();
        let white = (ColorType::Grayscale, vec![255, 0, 255]);
        assert_eq!(read(&mask.unwrap()), white);
    }

    #[test]
    fn a_mask_without_anything_clear_is_imagen_s_own() {
        for mask in [
            row(ColorType::Grayscale, &[255, 0]),
            row(ColorType::Rgba, &[0, 0, 0, 255]),
            b"\xff\xd8 a JPEG".to_vec(),
        ] {
            assert!(white_where_clear(&mask).unwrap().is_none());
        }
    }

    #[test]
    fn a_broken_or_huge_mask_is_an_error() {
        let mut broken = row(ColorType::Rgba, &[0; 4]);
        broken.truncate(40);
        assert!(matches!(white_where_clear(&broken), Err(MaskError::Png(_))));
        let mut huge = Vec::new();
        let encoder = Encoder::new(&mut huge, 5000, 5000);
        drop(encoder.write_header().unwrap());
        assert!(matches!(white_where_clear(&huge), Err(MaskError::Size)));
    }
}
