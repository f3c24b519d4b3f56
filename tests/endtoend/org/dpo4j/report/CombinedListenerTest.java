package org.dpo4j.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.UncheckedIOException;
import java.lang.reflect.Proxy;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.train.Recorder;
import org.junit.jupiter.api.Test;

/** Several listeners as one. */
class CombinedListenerTest {
    private static final Metrics LINE = new Metrics(1, Map.of("loss", 0.5));

    private final Recorder main = new Recorder();

    @Test
    void anOptionalListenerCannotEndTheRun() {
        List<Metrics> others = new ArrayList<>();
        List<Integer> calls = new ArrayList<>();
        RunListener listener = new CombinedListener(main)
                .with("broken", metrics -> {
                    calls.add(metrics.step());
                    throw new IllegalStateException("no connection");
                })
                .with("other", others::add);
        listener.metrics(LINE);
        listener.metrics(LINE);
        assertThat(calls).hasSize(1);
        assertThat(others).containsExactly(LINE, LINE);
        assertThat(main.notices)
                .containsExactly("broken ends (java.lang.IllegalStateException: no connection); training goes on"
                        + " without it");
    }

    /** When the run has ended, training does not go on. */
    @Test
    void aListenerThatFailsAtTheEndIsNamed() {
        RunListener broken = new RunListener() {
            @Override
            public void metrics(Metrics metrics) {}

            @Override
            public void ended(RunEnd end) {
                throw new Dpo4jException("the disk is full");
            }
        };
        new CombinedListener(main).with("report.html", broken).ended(new RunEnd(RunEnd.Status.COMPLETED, 1, null));
        assertThat(main.notices).containsExactly("report.html ends (the disk is full); its last part is missing");
    }

    /** A message of a Java exception would name its class. */
    @Test
    void aFileThatCannotBeWrittenIsToldInPlainWords() {
        new CombinedListener(main)
                .with("csv", metrics -> {
                    throw new UncheckedIOException(new NotDirectoryException("out/x"));
                })
                .metrics(LINE);
        assertThat(main.notices)
                .containsExactly("csv ends (out/x is a file, not a directory); training goes on without it");
    }

    @Test
    void theMainListenerCanEndTheRun() {
        RunListener listener = new CombinedListener(metrics -> {
                    throw new IllegalStateException("stop");
                })
                .with("other", metrics -> {});
        assertThatThrownBy(() -> listener.metrics(LINE)).hasMessage("stop");
    }

    /** An interrupt would close a file that a listener writes. */
    @Test
    void anInterruptReachesTheRunAndNotOptionalListeners() {
        List<Boolean> interrupted = new ArrayList<>();
        RunListener listener = new CombinedListener(main)
                .with("file", metrics -> interrupted.add(Thread.currentThread().isInterrupted()));
        Thread.currentThread().interrupt();
        listener.metrics(LINE);
        assertThat(Thread.interrupted()).isTrue();
        assertThat(interrupted).containsExactly(false);
    }

    /** Every event of the interface reaches both, also one that is added later. */
    @Test
    void everyEventReachesAllListeners() throws ReflectiveOperationException {
        Map<Class<?>, Object> values = Map.of(
                Metrics.class, LINE,
                RunHeader.class, new RunHeader(Map.of()),
                RunStart.class, new RunStart("dpo", Path.of("out"), Map.of(), Map.of(), 0, 1, List.of()),
                RunEnd.class, new RunEnd(RunEnd.Status.COMPLETED, 1, null),
                Generations.class, new Generations(1, List.of()),
                Diagnosis.class, new Diagnosis("rule", 1, "text"),
                String.class, "text",
                long.class, 1L);
        for (var event : RunListener.class.getMethods()) {
            if (event.getReturnType() != void.class) {
                continue;
            }
            List<String> received = new ArrayList<>();
            RunListener combined = new CombinedListener(received(received)).with("other", received(received));
            event.invoke(
                    combined,
                    Arrays.stream(event.getParameterTypes()).map(values::get).toArray());
            assertThat(received).as(event.getName()).containsExactly(event.getName(), event.getName());
        }
    }

    private static RunListener received(List<String> names) {
        return (RunListener) Proxy.newProxyInstance(
                RunListener.class.getClassLoader(), new Class<?>[] {RunListener.class}, (proxy, method, arguments) -> {
                    names.add(method.getName());
                    return null;
                });
    }
}
