package org.dpo4j.cli;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * A picture, in SVG, of a metric against the KL divergence to the reference, a point for each run. A line joins the
 * runs of the Pareto frontier: no other run is as good in both and better in one.
 */
final class FrontierPicture {
    private static final int WIDTH = 720;
    private static final int HEIGHT = 440;
    private static final int LEFT = 80;
    private static final int RIGHT = 30;
    private static final int TOP = 40;
    private static final int BOTTOM = 60;
    private static final int TICKS = 5;

    /**
     * A run.
     *
     * @param number as in the table
     * @param name for people who point at it
     * @param kl nats per answer
     * @param value of the metric
     */
    record Point(int number, String name, double kl, double value) {}

    private final List<Point> points;
    private final String metric;
    private final Range across;
    private final Range up;
    private final StringBuilder svg = new StringBuilder();

    private FrontierPicture(List<Point> points, String metric) {
        this.points = points;
        this.metric = metric;
        this.across = Range.over(points.stream().map(Point::kl).toList());
        this.up = Range.over(points.stream().map(Point::value).toList());
    }

    /** The picture of at least one run. */
    static String svg(List<Point> points, String metric) {
        return new FrontierPicture(points, metric).draw();
    }

    /** Whether a lower value of the metric is better. */
    private static boolean isLoss(String metric) {
        return metric.endsWith("loss");
    }

    /** The points of the frontier, by KL. Of equal points, the first. */
    static List<Point> frontier(List<Point> points, String metric) {
        int sign = isLoss(metric) ? -1 : 1;
        List<Point> sorted = new ArrayList<>(points);
        sorted.sort(Comparator.comparingDouble(Point::kl)
                .thenComparing(Comparator.comparingDouble((Point point) -> sign * point.value)
                        .reversed()));
        List<Point> frontier = new ArrayList<>();
        double best = Double.NEGATIVE_INFINITY;
        for (Point point : sorted) {
            if (sign * point.value > best) {
                best = sign * point.value;
                frontier.add(point);
            }
        }
        return frontier;
    }

    private String draw() {
        svg.append(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"sans-serif\""
                        + " font-size=\"13\">%n<title>%s against KL to the reference</title>%n"
                        + "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>%n",
                WIDTH,
                HEIGHT,
                escaped(metric),
                WIDTH,
                HEIGHT));
        drawAxes();
        List<Point> frontier = frontier(points, metric);
        svg.append(String.format(
                "<polyline fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"2\" points=\"%s\"/>%n",
                frontier.stream()
                        .map(point -> String.format(Locale.ROOT, "%.1f,%.1f", x(point.kl), y(point.value)))
                        .collect(Collectors.joining(" "))));
        points.forEach(point -> drawPoint(point, frontier.contains(point)));
        return svg.append("</svg>\n").toString();
    }

    private void drawAxes() {
        for (int i = 0; i <= TICKS; i++) {
            double x = LEFT + (double) i / TICKS * (WIDTH - LEFT - RIGHT);
            double y = HEIGHT - BOTTOM - (double) i / TICKS * (HEIGHT - TOP - BOTTOM);
            svg.append(String.format(
                    Locale.ROOT,
                    "<path d=\"M%.1f %d V%d M%d %.1f H%d\" stroke=\"#dddddd\"/>%n",
                    x,
                    HEIGHT - BOTTOM,
                    TOP,
                    LEFT,
                    y,
                    WIDTH - RIGHT));
            drawText(x, HEIGHT - BOTTOM + 20, "middle", number(across.at((double) i / TICKS)));
            drawText(LEFT - 8, y + 4, "end", number(up.at((double) i / TICKS)));
        }
        drawText((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 15, "middle", "KL to the reference, nats per sampled answer");
        drawText(LEFT, TOP - 15, "start", metric);
    }

    private void drawPoint(Point point, boolean isOnFrontier) {
        svg.append(String.format(
                Locale.ROOT,
                "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"%s\"><title>%s</title></circle>%n",
                x(point.kl),
                y(point.value),
                isOnFrontier ? "#1f6feb" : "#8c959f",
                escaped(point.number + ": " + point.name + ", KL " + number(point.kl) + ", " + metric + " "
                        + number(point.value))));
        drawText(x(point.kl) + 8, y(point.value) - 8, "start", Integer.toString(point.number));
    }

    private void drawText(double x, double y, String anchor, String text) {
        svg.append(String.format(
                Locale.ROOT,
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"#24292f\">%s</text>%n",
                x,
                y,
                anchor,
                escaped(text)));
    }

    private double x(double kl) {
        return LEFT + across.share(kl) * (WIDTH - LEFT - RIGHT);
    }

    private double y(double value) {
        return HEIGHT - BOTTOM - up.share(value) * (HEIGHT - TOP - BOTTOM);
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.3g", value);
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }

    /** The values of an axis: those of the points, and a margin of a twentieth. */
    private record Range(double min, double max) {
        static Range over(List<Double> values) {
            double min = values.stream().mapToDouble(Double::doubleValue).min().orElse(0);
            double max = values.stream().mapToDouble(Double::doubleValue).max().orElse(1);
            double margin = max > min ? (max - min) / 20 : Math.max(Math.abs(max), 1e-3) / 2;
            return new Range(min - margin, max + margin);
        }

        double share(double value) {
            return (value - min) / (max - min);
        }

        double at(double share) {
            return min + share * (max - min);
        }
    }
}
