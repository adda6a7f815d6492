//! Figures beside their goals.

use std::fmt;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// It stands beside others, and has no goal of its own.
    None,
}

#[derive(Debug)]
struct Figure {
    name: String,
    measured: f64,
    unit: &'static str,
    goal: Goal,
}

/// All figures of a run, in their order.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Figure>);

impl Report {
    /// Adds a figure, and prints it.
    pub(crate) fn add(&mut self, name: impl Into<String>, measured: f64, unit: &'static str, goal: Goal) {
        let figure = Figure { name: name.into(), measured, unit, goal };
        println!("    {figure}");
        self.0.push(figure);
    }

    /// As a JSON array.
    pub(crate) fn json(&self) -> String {
        let figures = self.0.iter().map(|f| {
            let (kind, goal) = match f.goal {
                Goal::AtLeast(goal) => ("at_least", goal.into()),
                Goal::AtMost(goal) => ("at_most", goal.into()),
                Goal::None => ("goal", serde_json::Value::Null),
            };
            serde_json::json!({"name": f.name, "measured": f.measured, "unit": f.unit, kind: goal, "met": f.met()})
        });
        format!("{:#}\n", serde_json::Value::from_iter(figures))
    }
}

impl Figure {
    fn met(&self) -> Option<bool> {
        match self.goal {
            Goal::AtLeast(goal) => Some(self.measured >= goal),
            Goal::AtMost(goal) => Some(self.measured <= goal),
            Goal::None => None,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goal = match self.goal {
            Goal::AtLeast(goal) => format!("at least {}", number(goal)),
            Goal::AtMost(goal) => format!("at most {}", number(goal)),
            Goal::None => String::new(),
        };
        let met = match self.met() {
            Some(true) => "met",
            Some(false) => "NOT met",
            None => "",
        };
        let line = format!("{:<58} {:>9} {:<12} {goal:<17} {met}", self.name, number(self.measured), self.unit);
        f.write_str(line.trim_end())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for figure in &self.0 {
            writeln!(f, "    {figure}")?;
        }
        Ok(())
    }
}

/// Three digits of it.
fn number(n: f64) -> String {
    match n.abs() {
        0.0 => "0".into(),
        a if a < 0.1 => format!("{n:.4}"),
        a if a < 10.0 => format!("{n:.2}"),
        a if a < 100.0 => format!("{n:.1}"),
        _ => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_or_not() {
        let mut report = Report::default();
        report.add("a", 2.0, "s", Goal::AtMost(1.5));
        report.add("b", 2.0, "s", Goal::AtLeast(1.5));
        report.add("c", 12345.6, "", Goal::None);
        let text = report.to_string();
        assert_eq!(text.lines().map(|l| l.ends_with("NOT met")).collect::<Vec<_>>(), [true, false, false]);
        assert!(text.contains("12346") && report.json().contains("\"at_most\": 1.5"));
    }
}
