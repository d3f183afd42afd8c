//! A plot of hit ratios over limits.

use std::fmt::Write;

/// A line of the plot: limits in MiB and hit ratios.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 50.0;
/// One for each policy; a server's lines differ by their strokes.
const COLOURS: [&str; 2] = ["#1f6feb", "#d1562f"];

/// The plot as an SVG file.
pub fn draw(lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let (mut low, mut high) = (1.0f64, 0.0f64);
    for (_, ratio) in points() {
        low = low.min(*ratio);
        high = high.max(*ratio);
    }
    // Whole steps of five per cent around them.
    let (low, high) = ((low * 20.0).floor() / 20.0, (high * 20.0).ceil() / 20.0);
    let logs = || points().map(|(mib, _)| mib.log2());
    let (first, last) = (logs().fold(f64::MAX, f64::min), logs().fold(f64::MIN, f64::max));
    let x = |mib: f64| LEFT + (mib.log2() - first) / (last - first) * (WIDTH - LEFT - RIGHT);
    let y = |ratio: f64| HEIGHT - BOTTOM - (ratio - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let steps = ((high - low) * 20.0).round() as usize;
    for step in 0..=steps {
        let ratio = low + step as f64 / 20.0;
        let at = y(ratio);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} %</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            100.0 * ratio
        );
    }
    for (mib, _) in &lines[0].points {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{mib} MiB</text>",
            x(*mib),
            HEIGHT - BOTTOM + 18.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">maxmemory</text><text x=\"{LEFT}\" y=\"18\">hits</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 10.0
    );
    for (number, line) in lines.iter().enumerate() {
        let colour = COLOURS[number / 2 % COLOURS.len()];
        let dashes = if number % 2 == 0 { "" } else { " stroke-dasharray=\"6 4\"" };
        let path: Vec<String> =
            line.points.iter().map(|(mib, ratio)| format!("{:.1},{:.1}", x(*mib), y(*ratio))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>",
            path.join(" ")
        );
        let at = HEIGHT - BOTTOM - 20.0 - 18.0 * (lines.len() - 1 - number) as f64;
        let _ = writeln!(
            svg,
            "<line x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>\
             <text x=\"{}\" y=\"{at}\">{}</text>",
            WIDTH - 230.0,
            WIDTH - 200.0,
            at - 4.0,
            at - 4.0,
            WIDTH - 194.0,
            line.name
        );
    }
    svg.push_str("</svg>\n");
    svg
}
