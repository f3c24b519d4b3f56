package org.dpo4j.parquet;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowFiles;
import org.dpo4j.data.source.Rows;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Any bytes as a Parquet file. They become rows, or an error that names the file, in bounded time and memory; nothing else is
 * thrown. The corpus is tests/golden/parquet and {@code ParquetFuzzTestInputs}. With {@code JAZZER_FUZZ} Jazzer looks for more,
 * as {@code .ci/nightly} does.
 */
class ParquetFuzzTest {
    private static final long MAX_CPU_NANOS = 5_000_000_000L;
    private static final OperatingSystemMXBean SYSTEM =
            ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);

    /** A file of a few bytes can hold any number of rows without values. */
    private static final int MAX_ROWS = 10_000;

    @TempDir
    private static Path temporary;

    @FuzzTest(maxDuration = "180s")
    @Timeout(60)
    void rows(byte[] content) throws IOException {
        byte[] bytes = content.clone();
        if (bytes.length >= 4) { // other files are for RowFilesFuzzTest
            System.arraycopy(new byte[] {'P', 'A', 'R', '1'}, 0, bytes, 0, 4);
        }
        Path file = Files.write(temporary.resolve("fuzzed.parquet"), bytes);
        long begin = SYSTEM.getProcessCpuTime(); // the library has threads of its own
        try (Rows rows = RowFiles.open(file)) {
            int count = 0;
            for (Rows.Row row = rows.next(); row != null && count < MAX_ROWS; row = rows.next()) {
                count++;
                assertThat(row.number()).isEqualTo(count);
                assertThat(row.values().toString()).startsWith("{");
            }
        } catch (Dpo4jException e) {
            assertThat(e.getMessage()).contains("fuzzed.parquet").doesNotContain("hardwood", "java.");
        } catch (BadRow bad) {
            assertThat(bad.getMessage()).isNotBlank();
        }
        assertThat(SYSTEM.getProcessCpuTime() - begin).as("nanoseconds").isLessThan(MAX_CPU_NANOS);
    }
}
