//! The arguments of searches.

use std::borrow::Cow;

use keyspace::ZSetRef;
use resp::Args;

use super::distance::Point;
use super::hash::{LATITUDES, LONGITUDES};
use super::look::place;
use super::shape::{Search, Shape};
use crate::errors::{NOT_FLOAT, NOT_INTEGER, SYNTAX};
use crate::number::{parse_i32, parse_i64};
use crate::zsets::parse_score;

/// The text of an error reply.
type Error = Cow<'static, str>;

/// Longitude and latitude.
pub(super) fn point(longitude: &[u8], latitude: &[u8]) -> Result<Point, Error> {
    let longitude = parse_score(longitude).ok_or(NOT_FLOAT)?;
    let latitude = parse_score(latitude).ok_or(NOT_FLOAT)?;
    let within = |value: f64, (low, high): (f64, f64)| low <= value && value <= high;
    if within(longitude, LONGITUDES) && within(latitude, LATITUDES) {
        return Ok(Point { longitude, latitude });
    }
    Err(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}").into())
}

/// The metres of a unit.
pub(super) fn unit(name: &[u8]) -> Result<f64, Error> {
    let is = |unit: &str| name.eq_ignore_ascii_case(unit.as_bytes());
    match () {
        () if is("m") => Ok(1.0),
        () if is("km") => Ok(1000.0),
        () if is("ft") => Ok(0.3048),
        () if is("mi") => Ok(1609.34),
        () => Err("ERR unsupported unit provided. please use M, KM, FT, MI".into()),
    }
}

/// Which command searches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// GEORADIUS; whether it may store.
    Radius(bool),
    /// GEORADIUSBYMEMBER; whether it may store.
    ByMember(bool),
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
}

impl Form {
    fn searches(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }
}

/// How found members are put in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    None,
    Near,
    Far,
}

/// What a search was asked for.
pub(super) struct Query<'a> {
    /// Where to search; nothing if there is no sorted set.
    pub search: Option<Search>,
    /// Metres of the unit in which distances are given.
    pub unit: f64,
    pub order: Order,
    pub count: Option<usize>,
    /// Any members will do, not just the nearest.
    pub any: bool,
    pub with_distance: bool,
    pub with_hash: bool,
    pub with_point: bool,
    /// Where to store, instead of replying.
    pub destination: Option<&'a [u8]>,
    /// Store distances, not places.
    pub store_distance: bool,
}

/// Where the middle of a search comes from.
enum Middle {
    /// A member, of a set that there may not be.
    Member(Option<Point>),
    Point(Point),
}

impl<'a> Query<'a> {
    /// Reads the arguments of a search in `set`.
    pub fn parse(form: Form, args: Args<'a>, set: Option<ZSetRef<'_>>) -> Result<Self, Error> {
        let mut query = Query {
            search: None,
            unit: 1.0,
            order: Order::None,
            count: None,
            any: false,
            with_distance: false,
            with_hash: false,
            with_point: false,
            destination: (form == Form::SearchStore).then(|| args.at(1)),
            store_distance: false,
        };
        let (mut middle, mut shape, mut polygon) = (None, None, false);
        let member = |member: &[u8]| -> Result<Middle, Error> {
            let Some(set) = set else { return Ok(Middle::Member(None)) };
            match place(set, member) {
                Some(point) => Ok(Middle::Member(Some(point))),
                None => Err(format!("ERR member {} does not exist", String::from_utf8_lossy(member)).into()),
            }
        };
        let rest = match form {
            Form::Radius(_) => {
                middle = Some(Middle::Point(point(args.at(2), args.at(3))?));
                shape = Some(query.circle(args.at(4), args.at(5))?);
                args.from(6)
            }
            Form::ByMember(_) => {
                // Without a set, neither the member nor the radius is looked at.
                if set.is_some() {
                    middle = Some(member(args.at(2))?);
                    shape = Some(query.circle(args.at(3), args.at(4))?);
                }
                args.from(5)
            }
            Form::Search => args.from(2),
            Form::SearchStore => args.from(3),
        };
        let may_store = matches!(form, Form::Radius(true) | Form::ByMember(true));
        let mut at = 0;
        while at < rest.len() {
            let is = |name: &str| rest.at(at).eq_ignore_ascii_case(name.as_bytes());
            let left = rest.len() - at - 1;
            let first = at + 1;
            let searches = form.searches();
            match () {
                () if is("WITHDIST") => query.with_distance = true,
                () if is("WITHHASH") => query.with_hash = true,
                () if is("WITHCOORD") => query.with_point = true,
                () if is("ANY") => query.any = true,
                () if is("ASC") => query.order = Order::Near,
                () if is("DESC") => query.order = Order::Far,
                () if is("COUNT") && left > 0 => {
                    query.count = match parse_i64(rest.at(first)).ok_or(NOT_INTEGER)? {
                        count @ 1.. => Some(usize::try_from(count).unwrap_or(usize::MAX)),
                        _ => return Err("ERR COUNT must be > 0".into()),
                    };
                    at += 1;
                }
                () if (is("STORE") || is("STOREDIST")) && left > 0 && may_store => {
                    query.store_distance = is("STOREDIST");
                    query.destination = Some(rest.at(first));
                    at += 1;
                }
                () if is("STOREDIST") && form == Form::SearchStore => query.store_distance = true,
                () if is("FROMMEMBER")
                    && left > 0
                    && searches
                    && !polygon
                    && !matches!(middle, Some(Middle::Point(_))) =>
                {
                    middle = Some(member(rest.at(first))?);
                    at += 1;
                }
                () if is("FROMLONLAT")
                    && left > 1
                    && searches
                    && !polygon
                    && !matches!(middle, Some(Middle::Member(_))) =>
                {
                    middle = Some(Middle::Point(point(rest.at(first), rest.at(first + 1))?));
                    at += 2;
                }
                () if is("BYRADIUS")
                    && left > 1
                    && searches
                    && !matches!(shape, Some(Shape::Rectangle { .. } | Shape::Polygon(_))) =>
                {
                    shape = Some(query.circle(rest.at(first), rest.at(first + 1))?);
                    at += 2;
                }
                () if is("BYBOX")
                    && left > 2
                    && searches
                    && !matches!(shape, Some(Shape::Circle { .. } | Shape::Polygon(_))) =>
                {
                    shape = Some(query.rectangle(rest.slice(first..first + 3))?);
                    at += 3;
                }
                () if is("BYPOLYGON")
                    && left > 1
                    && searches
                    && middle.is_none()
                    && (shape.is_none() || polygon) =>
                {
                    let corners = corners(rest.from(first))?;
                    at += 1 + 2 * corners.len();
                    shape = Some(Shape::Polygon(corners));
                    query.unit = 1.0;
                    polygon = true;
                }
                () => return Err(SYNTAX.into()),
            }
            at += 1;
        }
        if query.destination.is_some() && (query.with_distance || query.with_hash || query.with_point) {
            let what = if form == Form::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )
            .into());
        }
        if form.searches() && middle.is_none() && !polygon {
            let name = String::from_utf8_lossy(args.at(0));
            return Err(
                format!("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}").into()
            );
        }
        if form.searches() && shape.is_none() {
            let name = String::from_utf8_lossy(args.at(0));
            return Err(format!(
                "ERR exactly one of BYRADIUS, BYBOX and BYPOLYGON can be specified for {name}"
            )
            .into());
        }
        if query.any && query.count.is_none() {
            return Err("ERR the ANY argument requires COUNT argument".into());
        }
        // Only the nearest so many, unless any will do.
        if query.count.is_some() && query.order == Order::None && !query.any {
            query.order = Order::Near;
        }
        let middle = match middle {
            Some(Middle::Point(point) | Middle::Member(Some(point))) => point,
            _ => Point::default(),
        };
        query.search = set.and(shape).map(|shape| Search::new(middle, shape));
        Ok(query)
    }

    fn circle(&mut self, radius: &[u8], unit_name: &[u8]) -> Result<Shape, Error> {
        let radius = parse_score(radius).ok_or("ERR need numeric radius")?;
        if radius < 0.0 {
            return Err("ERR radius cannot be negative".into());
        }
        self.unit = unit(unit_name)?;
        Ok(Shape::Circle { radius: radius * self.unit })
    }

    fn rectangle(&mut self, args: Args<'_>) -> Result<Shape, Error> {
        let width = parse_score(args.at(0)).ok_or("ERR need numeric width")?;
        let height = parse_score(args.at(1)).ok_or("ERR need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err("ERR height or width cannot be negative".into());
        }
        self.unit = unit(args.at(2))?;
        Ok(Shape::Rectangle { width: width * self.unit, height: height * self.unit })
    }
}

/// The corners of a polygon: their number, then so many points.
fn corners(args: Args<'_>) -> Result<Vec<Point>, Error> {
    let count = parse_i32(args.at(0)).map_err(|_| "ERR invalid number of vertices")?;
    let there = (args.len() - 1) / 2;
    let count = usize::try_from(count).ok().filter(|count| (3..=there).contains(count));
    let count = count.ok_or("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices")?;
    (0..count).map(|number| point(args.at(2 * number + 1), args.at(2 * number + 2))).collect()
}
