//! Pictures made small enough for a phone: JPEG, PNG and GIF, by width and height, by octets, or into another
//! of these types. What cannot be a reasonable picture is refused before memory is taken for it.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};

/// Largest width and height of a picture that is read.
const SIDE_MAX: u32 = 8192;
/// Most octets that a picture may take up when it is unpacked.
const UNPACKED_OCTETS_MAX: u64 = 64 * 1024 * 1024;
/// Smallest width and height that are asked for.
pub const SIDE_ASKED_MIN: u32 = 8;
/// Largest width and height that are asked for.
pub const SIDE_ASKED_MAX: u32 = 4096;
/// Qualities of JPEG that are tried one after the other.
const QUALITIES: [u8; 4] = [80, 60, 40, 25];
/// How often a picture that is still too large is halved.
const HALVINGS_MAX: u32 = 8;

/// What a phone can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// At most so wide.
    pub width: Option<u32>,
    /// At most so high.
    pub height: Option<u32>,
    /// At most so many octets.
    pub octets: Option<usize>,
    /// Of this type.
    pub kind: Option<Kind>,
}

/// The types of pictures that can be read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// GIF; of several pictures the first.
    Gif,
}

/// Why a picture cannot be made to fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Of another type.
    #[error("pictures of this type cannot be adapted")]
    Type,
    /// Larger than is read.
    #[error("the picture is too large")]
    TooLarge,
    /// Not what its type says.
    #[error("the picture cannot be read")]
    Broken,
    /// Even the smallest is too large.
    #[error("the picture cannot be made that small")]
    Impossible,
}

impl Kind {
    /// By media type.
    pub fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "image/jpeg" | "image/jpg" | "image/pjpeg" => Some(Self::Jpeg),
            "image/png" => Some(Self::Png),
            "image/gif" => Some(Self::Gif),
            _ => None,
        }
    }

    /// By the word for it in a URL.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "jpeg" | "jpg" => Some(Self::Jpeg),
            "png" => Some(Self::Png),
            "gif" => Some(Self::Gif),
            _ => None,
        }
    }

    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
        }
    }

    const fn format(self) -> ImageFormat {
        match self {
            Self::Jpeg => ImageFormat::Jpeg,
            Self::Png => ImageFormat::Png,
            Self::Gif => ImageFormat::Gif,
        }
    }
}

/// Makes the picture fit: its type and octets. `None`: it fits as it is.
pub fn fit(octets: &[u8], kind: Kind, wish: Fit) -> Result<Option<(Kind, Vec<u8>)>, PictureError> {
    let target = wish.kind.unwrap_or(kind);
    let small = |octets: &[u8]| wish.octets.is_none_or(|max| octets.len() <= max);
    let mut reader = ImageReader::with_format(Cursor::new(octets), kind.format());
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(UNPACKED_OCTETS_MAX);
    reader.limits(limits);
    let broken = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => PictureError::TooLarge,
        _ => PictureError::Broken,
    };
    let mut decoder = reader.into_decoder().map_err(broken)?;
    // How the phone was held when it took the picture; a picture that does not say was held upright.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let (width, height) = match (orientation, decoder.dimensions()) {
        (
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH,
            (width, height),
        ) => (height, width),
        (_, upright) => upright,
    };
    let (width_max, height_max) = (wish.width.unwrap_or(u32::MAX), wish.height.unwrap_or(u32::MAX));
    if width <= width_max && height <= height_max && small(octets) && target == kind {
        return Ok(None);
    }
    if decoder.total_bytes() > UNPACKED_OCTETS_MAX {
        return Err(PictureError::TooLarge);
    }
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    picture.apply_orientation(orientation);
    if picture.width() > width_max || picture.height() > height_max {
        picture = picture.thumbnail(width_max.min(picture.width()), height_max.min(picture.height()));
    }
    for _ in 0..=HALVINGS_MAX {
        let plain = writable(&picture, target);
        for quality in QUALITIES {
            let written = write(&plain, target, quality).map_err(broken)?;
            if small(&written) {
                return Ok(Some((target, written)));
            }
            if target != Kind::Jpeg {
                break;
            }
        }
        let (width, height) = (picture.width() / 2, picture.height() / 2);
        if width.max(height) < SIDE_ASKED_MIN {
            break;
        }
        picture = picture.thumbnail(width.max(1), height.max(1));
    }
    Err(PictureError::Impossible)
}

/// The picture with colours that this type can have.
fn writable(picture: &DynamicImage, kind: Kind) -> Cow<'_, DynamicImage> {
    match kind {
        // JPEG knows no transparency: what shines through is white, as on paper.
        Kind::Jpeg => Cow::Owned(on_white(picture)),
        Kind::Png => Cow::Borrowed(picture),
        Kind::Gif => Cow::Owned(DynamicImage::ImageRgba8(picture.to_rgba8())),
    }
}

/// Writes a picture that is [`writable`] as this type.
fn write(picture: &DynamicImage, kind: Kind, quality: u8) -> image::ImageResult<Vec<u8>> {
    let mut octets = Vec::new();
    match kind {
        Kind::Jpeg => JpegEncoder::new_with_quality(&mut octets, quality).encode_image(picture)?,
        Kind::Png | Kind::Gif => picture.write_to(&mut Cursor::new(&mut octets), kind.format())?,
    }
    Ok(octets)
}

fn on_white(picture: &DynamicImage) -> DynamicImage {
    if !picture.color().has_alpha() {
        return DynamicImage::ImageRgb8(picture.to_rgb8());
    }
    let mut flat = image::RgbImage::new(picture.width(), picture.height());
    for (to, from) in flat.pixels_mut().zip(picture.to_rgba8().pixels()) {
        let [red, green, blue, alpha] = from.0;
        let alpha = u16::from(alpha);
        let over = |colour: u8| {
            let mixed = (u16::from(colour) * alpha + 255 * (255 - alpha)) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        to.0 = [over(red), over(green), over(blue)];
    }
    DynamicImage::ImageRgb8(flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture with something on it.
    fn picture(kind: Kind, width: u32, height: u32) -> Vec<u8> {
        let mut picture = image::RgbaImage::new(width, height);
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            let part = |number: u32| u8::try_from(number % 256).unwrap();
            pixel.0 = [part(x * 7), part(y * 5), part(x * y), if x < width / 2 { 255 } else { 0 }];
        }
        write(&writable(&DynamicImage::ImageRgba8(picture), kind), kind, 90).unwrap()
    }

    fn size(octets: &[u8]) -> (u32, u32) {
        let picture = image::load_from_memory(octets).unwrap();
        (picture.width(), picture.height())
    }

    #[test]
    fn pictures_of_every_type_become_as_small_as_is_asked_and_keep_their_shape() {
        for kind in [Kind::Jpeg, Kind::Png, Kind::Gif] {
            let large = picture(kind, 400, 200);
            let wish = Fit { width: Some(100), height: Some(100), ..Fit::default() };
            let (made, small) = fit(&large, kind, wish).unwrap().expect("it does not fit as it is");
            assert_eq!((made, size(&small)), (kind, (100, 50)));
            assert_eq!(fit(&small, kind, wish), Ok(None), "it fits as it is");
            for other in [Kind::Jpeg, Kind::Png, Kind::Gif] {
                let wish = Fit { kind: Some(other), ..wish };
                let (made, octets) = fit(&large, kind, wish).unwrap().unwrap();
                assert_eq!((made, size(&octets)), (other, (100, 50)));
                assert_eq!(image::guess_format(&octets).unwrap(), other.format());
            }
        }
    }

    #[test]
    fn a_picture_is_made_to_have_so_few_octets() {
        for kind in [Kind::Jpeg, Kind::Png] {
            let large = picture(kind, 300, 300);
            let wish = Fit { octets: Some(3000), ..Fit::default() };
            let (_, small) = fit(&large, kind, wish).unwrap().unwrap();
            assert!(small.len() <= 3000 && large.len() > 3000, "{} of {}", small.len(), large.len());
            let impossible = Fit { octets: Some(10), ..Fit::default() };
            assert_eq!(fit(&large, kind, impossible), Err(PictureError::Impossible));
        }
    }

    #[test]
    fn bombs_and_what_is_no_picture_are_refused() {
        let wish = Fit { width: Some(10), height: Some(10), ..Fit::default() };
        for kind in [Kind::Jpeg, Kind::Png, Kind::Gif] {
            assert_eq!(fit(b"no picture", kind, wish), Err(PictureError::Broken));
            let cut = picture(kind, 64, 64);
            let cut = fit(&cut[..cut.len() / 3], kind, wish);
            // Of a JPEG the part that is there is shown.
            assert!(kind == Kind::Jpeg || cut.is_err(), "{kind:?}");
        }
        // The head of a PNG that says it is 60000 by 60000, and one that is within the sides but not the octets
        for (side, found) in [(60_000_u32, PictureError::TooLarge), (8192, PictureError::TooLarge)] {
            let mut bomb = picture(Kind::Png, 16, 16);
            bomb[16..20].copy_from_slice(&side.to_be_bytes());
            bomb[20..24].copy_from_slice(&side.to_be_bytes());
            let check = crc(&bomb[12..29]);
            bomb[29..33].copy_from_slice(&check.to_be_bytes());
            assert_eq!(fit(&bomb, Kind::Png, wish), Err(found), "{side}");
        }
    }

    /// The check sum of PNG.
    fn crc(octets: &[u8]) -> u32 {
        !octets.iter().fold(u32::MAX, |sum, octet| {
            (0..8).fold(
                sum ^ u32::from(*octet),
                |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 },
            )
        })
    }

    #[test]
    fn types_are_known_by_their_names() {
        assert_eq!(Kind::of("Image/JPG; q=1"), Some(Kind::Jpeg));
        assert_eq!(Kind::of("image/webp"), None);
        assert_eq!(Kind::named("png"), Some(Kind::Png));
    }
}
