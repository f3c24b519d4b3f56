package org.dpo4j.conformance;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestExecutionResult.Status;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/** Ends a run with a line for each device, what ran there, and a line for each test that was skipped, its name and why. */
public final class DeviceSummary implements TestExecutionListener {
    private static final String NO_DEVICE = "no device";

    private static final class Count {
        private int passed;
        private int failed;
        private int skipped;

        @Override
        public String toString() {
            return passed + " passed, " + failed + " failed, " + skipped + " skipped";
        }
    }

    private final Map<String, Count> counts = new TreeMap<>();
    private final List<String> skipped = new ArrayList<>();
    private @Nullable TestPlan plan;

    @Override
    public void testPlanExecutionStarted(TestPlan testPlan) {
        plan = testPlan;
    }

    @Override
    public synchronized void executionSkipped(TestIdentifier test, String reason) {
        skip(test, reason);
    }

    @Override
    public synchronized void executionFinished(TestIdentifier test, TestExecutionResult result) {
        if (result.getStatus() == Status.ABORTED) {
            skip(test, result.getThrowable().map(Throwable::getMessage).orElse("no reason given"));
        } else if (result.getStatus() == Status.FAILED) {
            count(test).failed++;
        } else if (test.isTest()) {
            count(test).passed++;
        }
    }

    private void skip(TestIdentifier test, String reason) {
        count(test).skipped++;
        skipped.add(name(test) + ": " + reason);
    }

    /** Tests are named after the device they run on, with the dtype behind it. */
    private Count count(TestIdentifier test) {
        String first = test.getDisplayName().split(" ", 2)[0];
        return counts.computeIfAbsent(TestDevices.KNOWN.contains(first) ? first : NO_DEVICE, name -> new Count());
    }

    private String name(TestIdentifier test) {
        String name = test.getDisplayName();
        TestIdentifier above = parent(test);
        while (above != null && parent(above) != null) {
            name = above.getDisplayName() + " > " + name;
            above = parent(above);
        }
        return name;
    }

    private @Nullable TestIdentifier parent(TestIdentifier test) {
        return plan == null ? null : plan.getParent(test).orElse(null);
    }

    @Override
    public synchronized void testPlanExecutionFinished(TestPlan testPlan) {
        Map<String, String> opened = TestDevices.descriptions();
        TestDevices.close();
        counts.forEach((name, count) ->
                say(name + ": " + count + (opened.containsKey(name) ? " on " + opened.get(name) : "")));
        List<String> notRun = TestDevices.KNOWN.stream()
                .filter(name -> !counts.containsKey(name))
                .toList();
        if (!notRun.isEmpty()) {
            say("nothing ran on " + String.join(", ", notRun) + ": " + TestDevices.PROPERTY + " is "
                    + System.getProperty(TestDevices.PROPERTY, "not given"));
        }
        skipped.forEach(line -> say("skipped: " + line));
        counts.clear();
        skipped.clear();
    }

    private static void say(String line) {
        System.out.println("dpo4j tests: " + line);
    }
}
