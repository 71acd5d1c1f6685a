//! What was measured, a line each.

/// The lines so far.
#[derive(Default)]
pub(crate) struct Report {
    missed: usize,
}

impl Report {
    /// A line without a bound.
    pub(crate) fn note(&self, line: &str) {
        println!("          {line}");
    }

    /// A figure without a bound.
    pub(crate) fn figure(&self, what: &str, figure: &str, detail: &str) {
        println!("          {what:<38} {figure:<34} {detail}");
    }

    /// A figure that must be `bound` or more.
    pub(crate) fn at_least(&mut self, what: &str, measured: f64, bound: f64, detail: &str) {
        self.line(measured >= bound, what, &format!("{measured:.3} (at least {bound:.2})"), detail);
    }

    /// A figure that must be `bound` or less.
    pub(crate) fn at_most(&mut self, what: &str, measured: f64, bound: f64, unit: &str, detail: &str) {
        self.line(
            measured <= bound,
            what,
            &format!("{measured:.3}{unit} (at most {bound:.3}{unit})"),
            detail,
        );
    }

    fn line(&mut self, holds: bool, what: &str, figures: &str, detail: &str) {
        if !holds {
            self.missed += 1;
        }
        println!("{:<9} {what:<38} {figures:<34} {detail}", if holds { "ok" } else { "MISSED" });
    }

    /// How many bounds were missed.
    pub(crate) fn missed(&self) -> usize {
        self.missed
    }
}
