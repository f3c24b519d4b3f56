package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import sun.misc.Signal;

/** Ctrl-C in a chat. The signal is raised in this process. */
class AnswerSignalTest {
    private static final Signal INTERRUPT = new Signal("INT");

    @Test
    @Timeout(20)
    void itEndsTheAnswerThatIsGenerated() throws InterruptedException {
        AtomicInteger outside = new AtomicInteger();
        var before = Signal.handle(INTERRUPT, signal -> outside.incrementAndGet());
        try {
            try (AnswerSignal signal = new AnswerSignal()) {
                for (int answer = 0; answer < 2; answer++) {
                    signal.begin();
                    assertThat(signal.isGiven()).isFalse();
                    Signal.raise(INTERRUPT);
                    while (!signal.isGiven()) {
                        Thread.sleep(1);
                    }
                    signal.end();
                }
            }
            assertThat(outside).hasValue(0);
            Signal.raise(INTERRUPT); // the handler of before is back
            while (outside.get() == 0) {
                Thread.sleep(1);
            }
        } finally {
            Signal.handle(INTERRUPT, before);
        }
    }
}
