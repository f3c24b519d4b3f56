package org.dpo4j.report.html;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A linear axis from {@code low} to {@code high} with ticks at round numbers.
 *
 * @param low value at its start
 * @param high value at its end, larger than {@code low}
 * @param step distance of ticks: 1, 2 or 5 times a power of ten
 */
record Axis(double low, double high, double step) {

    /** The axis of values from {@code min} to {@code max}, widened to ticks at both ends; 0 to 1 if all are 0. */
    static Axis wide(double min, double max, int ticks) {
        if (min == 0 && max == 0) {
            return wide(0, 1, ticks);
        }
        double span = max > min ? max - min : Math.abs(min) * 0.1;
        double from = max > min ? min : min - span / 2;
        double to = max > min ? max : max + span / 2;
        double step = round(span / ticks);
        return new Axis(step * Math.floor(from / step + 1e-9), step * Math.ceil(to / step - 1e-9), step);
    }

    /** The axis of whole numbers from {@code min} to {@code max}, which it does not exceed. */
    static Axis exact(double min, double max, int ticks) {
        double high = max > min ? max : min + 1;
        return new Axis(min, high, Math.max(1, round((high - min) / ticks)));
    }

    /** The smallest of 1, 2 and 5 times a power of ten that is not below a tenth less than {@code value}. */
    private static double round(double value) {
        double power = Math.pow(10, Math.floor(Math.log10(value)));
        double digit = value / power;
        return power * (digit <= 1.1 ? 1 : digit <= 2.2 ? 2 : digit <= 5.5 ? 5 : 10);
    }

    /** Where a value is, from 0 to 1. */
    double place(double value) {
        return (value - low) / (high - low);
    }

    List<Double> ticks() {
        List<Double> ticks = new ArrayList<>();
        long first = (long) Math.ceil(low / step - 1e-9);
        for (long i = first; i * step <= high + 1e-9 * step; i++) {
            ticks.add(i == 0 ? 0.0 : i * step);
        }
        return ticks;
    }

    /** The text of a tick, with as many decimals as the distance of ticks needs. */
    String label(double tick) {
        double largest = Math.max(Math.abs(low), Math.abs(high));
        if (tick == 0) {
            return "0";
        }
        if (largest < 1e-3) {
            int power = (int) Math.floor(Math.log10(largest));
            int digits = Math.max(0, power - (int) Math.floor(Math.log10(step) + 1e-9));
            return String.format(Locale.ROOT, "%." + digits + "fe%d", tick / Math.pow(10, power), power);
        }
        if (largest >= 1e6) {
            return decimal(tick / 1e6, step / 1e6) + "M";
        }
        if (largest >= 1e4) {
            return decimal(tick / 1e3, step / 1e3) + "k";
        }
        return decimal(tick, step);
    }

    private static String decimal(double value, double step) {
        int digits = Math.max(0, -(int) Math.floor(Math.log10(step) + 1e-9));
        return String.format(Locale.ROOT, "%." + digits + "f", value);
    }
}
