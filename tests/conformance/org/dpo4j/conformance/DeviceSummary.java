package org.dpo4j.conformance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import org.dpo4j.conformance.Tally.End;
import org.jspecify.annotations.Nullable;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestExecutionResult.Status;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/**
 * Prints at the end of a run one line per device with what ran there, and one line per skipped test with the reason. If
 * {@value #DIRECTORY} names a directory, the processes of a run write their counts there, and {@link #main} prints the
 * sums.
 */
public final class DeviceSummary implements TestExecutionListener {
    /** System property. */
    static final String DIRECTORY = "dpo4j.test.tallies";

    private Tally tally = new Tally();
    private @Nullable TestPlan plan;

    /** Prints the sums of all processes. Arguments: the directory, and the devices that were asked for, if any. */
    public static void main(String[] arguments) throws IOException {
        say(Tally.read(Path.of(arguments[0])), arguments.length > 1 ? arguments[1] : "not given");
    }

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
            tally.add(test.getDisplayName(), End.FAILED);
        } else if (test.isTest()) {
            tally.add(test.getDisplayName(), End.PASSED);
        }
    }

    private void skip(TestIdentifier test, String reason) {
        tally.add(test.getDisplayName(), End.SKIPPED);
        tally.skip(name(test), reason);
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
        tally.describe(TestDevices.descriptions());
        TestDevices.close();
        String directory = System.getProperty(DIRECTORY);
        if (directory == null) {
            say(tally, System.getProperty(TestDevices.PROPERTY, "not given"));
        } else {
            try {
                tally.append(Path.of(directory));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        tally = new Tally();
    }

    private static void say(Tally tally, String asked) {
        tally.lines(asked).forEach(line -> System.out.println("dpo4j tests: " + line));
    }
}
