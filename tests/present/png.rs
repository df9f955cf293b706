use super::pictures::{chain, merged, wild};
use retainers::present::{png, svg};

/// Width and height from the header of a PNG, after a look at its signature and its end.
fn size(png: &[u8]) -> (u32, u32) {
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(&png[png.len() - 8..png.len() - 4], b"IEND");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}

/// Width and height of an SVG.
fn svg_size(svg: &str) -> (f64, f64) {
    let attribute = |name: &str| {
        let after = svg.split_once(&format!(" {name}=\"")).expect("an attribute").1;
        after.split_once('"').expect("its end").0.parse::<f64>().expect("a number")
    };
    (attribute("width"), attribute("height"))
}

#[test]
fn a_picture_is_twice_the_size_of_its_svg() {
    for picture in [chain(4), chain(60), merged(60, 3)] {
        let svg = svg::write(&picture);
        let (width, height) = svg_size(&svg);
        let drawn = size(&png::write(&svg).expect("a picture"));
        assert_eq!(drawn, ((2.0 * width) as u32, (2.0 * height) as u32));
    }
}

#[test]
fn a_picture_is_not_blank() {
    let svg = svg::write(&chain(4));
    let png = png::write(&svg).expect("a picture");
    let picture = resvg::tiny_skia::Pixmap::decode_png(&png).expect("a PNG");
    let mut colours: Vec<_> = picture.pixels().iter().map(|pixel| (pixel.red(), pixel.green(), pixel.blue())).collect();
    colours.sort_unstable();
    colours.dedup();
    assert!(colours.contains(&(0xd3, 0x21, 0x2c)), "no target");
    assert!(colours.contains(&(0x0b, 0x3d, 0x2a)), "no root");
    assert!(colours.len() > 50, "{} colours", colours.len());
}

#[test]
fn a_chain_of_five_hundred_is_drawn_within_the_limits() {
    let (width, height) = size(&png::write(&svg::write(&chain(500))).expect("a picture"));
    assert!(width.max(height) <= 16_000 && u64::from(width) * u64::from(height) <= 101_000_000, "{width} × {height}");
}

#[test]
fn a_huge_svg_is_scaled_down() {
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100000\" height=\"50\"><rect width=\"9\" height=\"9\"/></svg>";
    assert_eq!(size(&png::write(svg).expect("a picture")), (16_000, 8));
}

#[test]
fn wild_pictures_are_drawn() {
    for seed in 0..6 {
        let svg = svg::write(&wild(seed));
        let (width, height) = size(&png::write(&svg).unwrap_or_else(|error| panic!("seed {seed}: {error}")));
        assert!(width > 0 && height > 0);
    }
}

#[test]
fn what_is_no_svg_is_refused_in_words() {
    let error = png::write("<svg").expect_err("not an SVG");
    assert!(error.starts_with("cannot read the SVG: "), "{error}");
}
