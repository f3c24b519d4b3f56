package org.dpo4j.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What a person sees. */
class ConsoleTest {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);

    @Test
    void plainLinesElsewhereThanOnATerminal() {
        run(new Console(out, false));
        assertThat(text().lines())
                .containsExactly("device  cpu", "rows    4", "training: 2", "step 1  loss 0.6931  num_tokens 1234567");
        assertThat(text()).doesNotContain("\r").doesNotContain("\u001b");
    }

    @Test
    void aBarOnATerminalThatMetricsDoNotTear() {
        run(new Console(out, true));
        String[] drawn = text().split("\r", -1);
        assertThat(drawn[1]).contains("training [" + " ".repeat(30) + "] 0/2");
        assertThat(drawn[2]).contains("training [" + "=".repeat(15) + " ".repeat(15) + "] 1/2", "left");
        assertThat(drawn[3]).startsWith("\u001b[Kstep 1  loss 0.6931").endsWith(System.lineSeparator());
        assertThat(drawn[4]).contains("training [" + "=".repeat(30) + "] 2/2").endsWith(System.lineSeparator());
    }

    @Test
    void aPhaseThatIsDoneAgainIsAnnouncedAgain() {
        Console console = new Console(out, false);
        console.progress("reference log-probs", 0, 5);
        console.progress("reference log-probs", 5, 5);
        console.progress("reference log-probs", 0, 3);
        assertThat(text().lines()).containsExactly("reference log-probs: 5", "reference log-probs: 3");
    }

    private static void run(Console console) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("device", "cpu");
        facts.put("rows", "4");
        console.header(new RunHeader(facts));
        console.progress("training", 0, 2);
        console.progress("training", 1, 2);
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("loss", Math.log(2));
        values.put("num_tokens", 1234567.0);
        console.metrics(new Metrics(1, values));
        console.progress("training", 2, 2);
    }

    private String text() {
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
