//! Distances on the globe.

/// The mean radius of the earth in metres.
pub(super) const EARTH_RADIUS: f64 = 6_372_797.560856;

const RADIANS: f64 = std::f64::consts::PI / 180.0;

/// A place, in degrees.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Point {
    pub longitude: f64,
    pub latitude: f64,
}

pub(super) fn radians(degrees: f64) -> f64 {
    degrees * RADIANS
}

pub(super) fn degrees(radians: f64) -> f64 {
    radians / RADIANS
}

/// The distance along a meridian, in metres.
pub(super) fn along_meridian(a: f64, b: f64) -> f64 {
    EARTH_RADIUS * (radians(b) - radians(a)).abs()
}

/// The distance along a great circle, in metres, by the haversine formula.
pub(super) fn between(a: Point, b: Point) -> f64 {
    /// Six nanometres on the equator.
    const SAME: f64 = 1e-15;
    let v = ((radians(b.longitude) - radians(a.longitude)) / 2.0).sin();
    if v.abs() <= SAME {
        return along_meridian(a.latitude, b.latitude);
    }
    let (from, to) = (radians(a.latitude), radians(b.latitude));
    let u = ((to - from) / 2.0).sin();
    let a = u * u + from.cos() * to.cos() * v * v;
    2.0 * EARTH_RADIUS * a.sqrt().asin()
}
