//! What a search covers.

use super::distance::{EARTH_RADIUS, Point, along_meridian, between, degrees, radians};
use super::hash::{Area, Cell, LATITUDES, LONGITUDES, STEPS};

/// The shape of a search around its middle. Lengths are in metres.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Circle { radius: f64 },
    Rectangle { width: f64, height: f64 },
    Polygon(Vec<Point>),
}

/// The area that a search covers.
#[derive(Clone, Debug)]
pub(super) struct Search {
    middle: Point,
    shape: Shape,
}

impl Search {
    /// A shape around a point; a polygon has a middle of its own.
    pub fn new(middle: Point, shape: Shape) -> Self {
        let middle = match &shape {
            Shape::Polygon(corners) => centroid(corners),
            _ => middle,
        };
        Search { middle, shape }
    }

    /// How far a point is from the middle, if it lies within.
    pub fn distance(&self, point: Point) -> Option<f64> {
        match &self.shape {
            Shape::Circle { radius } => {
                let distance = between(self.middle, point);
                (distance <= *radius).then_some(distance)
            }
            Shape::Rectangle { width, height } => {
                if along_meridian(point.latitude, self.middle.latitude) > height / 2.0 {
                    return None;
                }
                let beside = Point { longitude: self.middle.longitude, latitude: point.latitude };
                if between(point, beside) > width / 2.0 {
                    return None;
                }
                Some(between(self.middle, point))
            }
            Shape::Polygon(corners) => is_inside(corners, point).then(|| between(self.middle, point)),
        }
    }

    /// The rectangle around the shape.
    fn bounds(&self) -> Area {
        let (width, height) = match &self.shape {
            Shape::Circle { radius } => (*radius, *radius),
            Shape::Rectangle { width, height } => (width / 2.0, height / 2.0),
            Shape::Polygon(corners) => {
                // The other way round, so that the first corner narrows both.
                let mut bounds =
                    Area { longitude: (LONGITUDES.1, LONGITUDES.0), latitude: (LATITUDES.1, LATITUDES.0) };
                for corner in corners {
                    bounds.longitude.0 = bounds.longitude.0.min(corner.longitude);
                    bounds.longitude.1 = bounds.longitude.1.max(corner.longitude);
                    bounds.latitude.0 = bounds.latitude.0.min(corner.latitude);
                    bounds.latitude.1 = bounds.latitude.1.max(corner.latitude);
                }
                return bounds;
            }
        };
        let Point { longitude, latitude } = self.middle;
        let up = degrees(height / EARTH_RADIUS);
        // The circles of latitude are shorter towards the pole, so there the shape takes more degrees.
        let edge = if latitude < 0.0 { latitude - up } else { latitude + up };
        let aside = degrees(width / EARTH_RADIUS / radians(edge).cos());
        Area { longitude: (longitude - aside, longitude + aside), latitude: (latitude - up, latitude + up) }
    }

    /// How far from the middle the shape reaches.
    fn reach(&self, bounds: Area) -> f64 {
        match &self.shape {
            Shape::Circle { radius } => *radius,
            Shape::Rectangle { width, height } => ((width / 2.0).powi(2) + (height / 2.0).powi(2)).sqrt(),
            Shape::Polygon(_) => {
                let mut reach = 0.0f64;
                for longitude in [bounds.longitude.0, bounds.longitude.1] {
                    for latitude in [bounds.latitude.0, bounds.latitude.1] {
                        reach = reach.max(between(self.middle, Point { longitude, latitude }));
                    }
                }
                reach
            }
        }
    }

    /// The cells to look into: that of the middle and its neighbours, as far as the shape reaches into them.
    pub fn cells(&self) -> Vec<Cell> {
        let bounds = self.bounds();
        let mut steps = steps_for(self.reach(bounds), self.middle.latitude);
        let mut home = Cell::of(self.middle, steps);
        // Near the edge of its cell the shape may reach beyond the neighbour.
        let narrow = home.neighbour(0, 1).area().latitude.1 < bounds.latitude.1
            || home.neighbour(0, -1).area().latitude.0 > bounds.latitude.0
            || home.neighbour(1, 0).area().longitude.1 < bounds.longitude.1
            || home.neighbour(-1, 0).area().longitude.0 > bounds.longitude.0;
        if steps > 1 && narrow {
            steps -= 1;
            home = Cell::of(self.middle, steps);
        }
        let area = home.area();
        // Of two cells a side, one is both neighbours.
        let reaches = |east: i8, north: i8| {
            steps < 2
                || !(north < 0 && area.latitude.0 < bounds.latitude.0
                    || north > 0 && area.latitude.1 > bounds.latitude.1
                    || east < 0 && area.longitude.0 < bounds.longitude.0
                    || east > 0 && area.longitude.1 > bounds.longitude.1)
        };
        const AROUND: [(i8, i8); 8] = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let mut cells = vec![home];
        for (east, north) in AROUND {
            let cell = home.neighbour(east, north);
            if reaches(east, north) && !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        cells
    }
}

/// How fine the cells may be so that a search reaches no further than into the neighbours.
fn steps_for(reach: f64, latitude: f64) -> u32 {
    /// Half the way round the equator of Mercator's map, in metres.
    const HALF_WAY: f64 = 20_037_726.37;
    if reach == 0.0 {
        return STEPS;
    }
    let (mut reach, mut steps) = (reach, 1i32);
    while reach < HALF_WAY && steps < 64 {
        reach *= 2.0;
        steps += 1;
    }
    steps -= 2;
    // Meridians draw near one another towards the poles.
    steps -= i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
    steps.clamp(1, STEPS as i32) as u32
}

/// The middle of the corners, on the globe.
fn centroid(corners: &[Point]) -> Point {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for corner in corners {
        let (longitude, latitude) = (radians(corner.longitude), radians(corner.latitude));
        x += latitude.cos() * longitude.cos();
        y += latitude.cos() * longitude.sin();
        z += latitude.sin();
    }
    Point { longitude: degrees(f64::atan2(y, x)), latitude: degrees(f64::atan2(z, (x * x + y * y).sqrt())) }
}

/// Whether a point lies within a polygon: a ray from it crosses the border an odd number of times.
fn is_inside(corners: &[Point], point: Point) -> bool {
    let mut inside = false;
    let Some(mut b) = corners.last() else { return false };
    for a in corners {
        let across = (a.latitude > point.latitude) != (b.latitude > point.latitude);
        if across {
            let crossing = (b.longitude - a.longitude) * (point.latitude - a.latitude)
                / (b.latitude - a.latitude)
                + a.longitude;
            inside ^= point.longitude < crossing;
        }
        b = a;
    }
    inside
}
