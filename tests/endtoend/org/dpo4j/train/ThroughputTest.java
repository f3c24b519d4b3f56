package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Tokens per second, and the share of the device's peak. */
class ThroughputTest {
    /** 6 x 1e9 parameters x 1e5 tokens = 6e14 FLOP in 2 s is 3e14 per second; the data sheet's peak is 9.89e14. */
    @Test
    void theShareIsOfThePeak() {
        Map<String, Double> metrics = new HashMap<>();
        double peak = Throughput.peak("NVIDIA H200, device 0, compute capability 9.0, 139.8 GiB");
        new Throughput(1_000_000_000, 6, peak).addTo(metrics, 150_000, 100_000, 2);
        assertThat(metrics).containsEntry("tokens_per_second", 75_000.0).containsEntry("mfu", 3e14 / 9.89e14);
    }

    @Test
    void anUnknownDeviceHasNone() {
        Map<String, Double> metrics = new HashMap<>();
        new Throughput(1_000_000_000, 6, Throughput.peak("NVIDIA T400 4GB, device 0")).addTo(metrics, 10, 10, 2);
        assertThat(metrics).containsOnlyKeys("tokens_per_second");
    }
}
