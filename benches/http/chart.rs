//! Draws figures as SVG.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Result;

/// What is drawn on.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (880, 560);
const FONT: &str = "sans-serif";
/// Told apart by those who see colours otherwise too (Okabe and Ito).
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

/// Has `draw` fill the picture `path`.
pub(crate) fn draw(path: &Path, draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    draw(&area)?;
    area.present()?;
    Ok(())
}

/// Groups of bars: one bar for each of those that are compared, each group to its own scale.
pub(crate) struct Bars {
    names: Vec<&'static str>,
    groups: Vec<(String, Vec<f64>)>,
}

impl Bars {
    pub(crate) fn new(names: Vec<&'static str>) -> Bars {
        Bars { names, groups: Vec::new() }
    }

    pub(crate) fn group(&mut self, label: String, figures: Vec<f64>) {
        self.groups.push((label, figures));
    }

    pub(crate) fn draw(&self, area: &Area<'_>) -> Result<()> {
        let text = |size: i32| (FONT, size).into_font();
        let (left, right) = (170, SIZE.0 as i32 - 120);
        let (bar, gap) = (72 / self.names.len() as i32, 4);
        for (place, (label, figures)) in self.groups.iter().enumerate() {
            let top = 16 + place as i32 * (SIZE.1 as i32 - 16) / self.groups.len() as i32;
            area.draw(&Text::new(format!("{label}, requests a second"), (16, top), text(17)))?;
            let most = figures.iter().copied().fold(1.0, f64::max);
            for (which, (name, figure)) in self.names.iter().zip(figures).enumerate() {
                let y = top + 26 + which as i32 * (bar + gap);
                let end = left + (f64::from(right - left) * figure / most) as i32;
                area.draw(&Text::new(*name, (24, y + (bar - 16) / 2), text(15)))?;
                area.draw(&Rectangle::new([(left, y), (end, y + bar)], COLOURS[which].filled()))?;
                area.draw(&Text::new(format!("{figure:.0}"), (end + 8, y + (bar - 16) / 2), text(15)))?;
            }
        }
        Ok(())
    }
}

/// Panels of curves over the number of values.
pub(crate) struct Curves {
    sizes: Vec<u64>,
    panels: Named<Named<Vec<f64>>>,
}

/// In the order in which the names came.
type Named<T> = Vec<(&'static str, T)>;

impl Curves {
    pub(crate) fn new(sizes: Vec<u64>) -> Curves {
        Curves { sizes, panels: Vec::new() }
    }

    /// The next size's figure of a curve.
    pub(crate) fn add(&mut self, title: &'static str, name: &'static str, figure: f64) {
        entry(entry(&mut self.panels, title), name).push(figure);
    }

    pub(crate) fn draw(&self, area: &Area<'_>) -> Result<()> {
        for (panel, (title, curves)) in area.split_evenly((2, 2)).iter().zip(&self.panels) {
            self.panel(panel, title, curves)?;
        }
        Ok(())
    }

    fn panel(&self, area: &Area<'_>, title: &str, curves: &[(&str, Vec<f64>)]) -> Result<()> {
        let most = curves.iter().flat_map(|(_, figures)| figures).copied().fold(0.0, f64::max) * 1.5;
        let (first, last) = (self.sizes.first().copied(), self.sizes.last().copied());
        let sizes = first.unwrap_or(1) as f64..last.unwrap_or(2) as f64;
        let mut chart = ChartBuilder::on(area)
            .caption(title, (FONT, 17))
            .margin(12)
            .margin_right(30)
            .x_label_area_size(34)
            .y_label_area_size(58)
            .build_cartesian_2d(sizes.log_scale(), 0.0..most)?;
        chart
            .configure_mesh()
            .x_desc("values")
            .x_labels(4)
            .light_line_style(TRANSPARENT)
            .label_style((FONT, 13))
            .x_label_formatter(&|size| grouped(*size))
            .y_label_formatter(&|figure| if most < 10.0 { format!("{figure:.1}") } else { grouped(*figure) })
            .draw()?;
        for ((name, figures), colour) in curves.iter().zip(COLOURS) {
            let points: Vec<(f64, f64)> =
                self.sizes.iter().map(|size| *size as f64).zip(figures.iter().copied()).collect();
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
            chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font((FONT, 13))
            .background_style(WHITE.mix(0.8))
            .draw()?;
        Ok(())
    }
}

fn entry<'a, T: Default>(list: &'a mut Named<T>, name: &'static str) -> &'a mut T {
    let at = list.iter().position(|(known, _)| *known == name).unwrap_or(list.len());
    if at == list.len() {
        list.push((name, T::default()));
    }
    &mut list[at].1
}

/// A whole number, in groups of three digits.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
