package org.dpo4j.report;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TerminalTest {
    /** What stty says, and what it may say instead. */
    @ParameterizedTest
    @CsvSource({"24 132, 132", "'50 97\n', 97", "0 0, 80", "'', 80", "nonsense, 80", "24 99999999, 80"})
    void columns(String size, int columns) {
        assertThat(Terminal.parse(size)).isEqualTo(columns);
    }
}
