package org.dpo4j.report.html;

import java.util.ArrayList;
import java.util.List;

/**
 * A line of a chart.
 *
 * @param name what the legend calls it
 * @param color index of its colour
 * @param isDashed whether the line is dashed, as for evaluation
 * @param points by step
 */
record Series(String name, int color, boolean isDashed, List<Point> points) {

    /**
     * A value after a step. A point may stand for several neighbouring values.
     *
     * @param step the step, or the last of several
     * @param value the value, or the mean of several; NaN if it is not finite
     * @param min the smallest
     * @param max the largest
     */
    record Point(int step, double value, double min, double max) {
        Point(int step, double value) {
            this(step, value, value, value);
        }

        boolean isFinite() {
            return Double.isFinite(value);
        }
    }

    Series {
        points = List.copyOf(points);
    }

    /** At most {@code count} points: each stands for equally many neighbours, with their mean, minimum and maximum. */
    Series reduced(int count) {
        if (points.size() <= count) {
            return this;
        }
        List<Point> reduced = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int from = (int) ((long) points.size() * i / count);
            int to = (int) ((long) points.size() * (i + 1) / count);
            reduced.add(together(points.subList(from, to)));
        }
        return new Series(name, color, isDashed, reduced);
    }

    private static Point together(List<Point> points) {
        List<Point> finite = points.stream().filter(Point::isFinite).toList();
        int last = points.get(points.size() - 1).step();
        return new Point(
                last,
                finite.stream().mapToDouble(Point::value).average().orElse(Double.NaN),
                finite.stream().mapToDouble(Point::min).min().orElse(Double.NaN),
                finite.stream().mapToDouble(Point::max).max().orElse(Double.NaN));
    }

    boolean isReduced() {
        return points.stream().anyMatch(point -> point.min() < point.max());
    }
}
