package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.head.HeadPath;
import org.dpo4j.kernels.head.HeadTable;
import org.dpo4j.kernels.head.HeadTimes;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Times as data: what they say, what they are written as, and what is no table. */
class HeadTableTest {
    private static final String COLUMNS = "processor,vocabulary,hidden,dtype,rows,chunks_us,fused_us\n";
    private static final String LINE = "NVIDIA H100 80GB HBM3,128256,4096,BF16,8192,11834.5,11021.25\n";

    private static HeadTimes times(String processor, long hidden, long rows, double chunks, double fused) {
        return new HeadTimes(processor, 1000, hidden, DType.BF16, rows, chunks, fused);
    }

    private static HeadPath path(Device device, HeadTimes... times) {
        return new HeadTable(List.of(times)).path(device, 1000, 64, DType.BF16);
    }

    @OnEachDevice
    @Tag("small")
    void fusedWhereItWasFasterForAllRowsAndTheDeviceHasIt(On on) {
        Device device = on.device();
        String here = device.processor();
        HeadPath fused = HeadPath.FUSED.isSupported(device, DType.BF16) ? HeadPath.FUSED : HeadPath.CHUNKS;
        assertThat(path(device, times(here, 64, 10, 5, 4))).isEqualTo(fused);
        assertThat(path(device, times(here, 64, 10, 5, 4), times(here, 64, 20, 9, 8)))
                .isEqualTo(fused);
        assertThat(path(device, times(here, 64, 10, 5, 4), times(here, 64, 20, 8, 8)))
                .isEqualTo(HeadPath.CHUNKS);
        assertThat(path(device, times(here, 64, 10, 4, 5))).isEqualTo(HeadPath.CHUNKS);
        assertThat(path(device, times(here, 72, 10, 5, 4))).isEqualTo(HeadPath.CHUNKS);
        assertThat(path(device, times("another", 64, 10, 5, 4))).isEqualTo(HeadPath.CHUNKS);
        assertThat(path(device)).isEqualTo(HeadPath.CHUNKS);
    }

    @Test
    void isTextAndBack() {
        HeadTable table = HeadTable.of(COLUMNS + LINE);
        assertThat(table.times())
                .containsExactly(
                        new HeadTimes("NVIDIA H100 80GB HBM3", 128_256, 4096, DType.BF16, 8192, 11_834.5, 11_021.25));
        assertThat(table).hasToString(COLUMNS + LINE);
        assertThat(HeadTable.of(COLUMNS)).isEqualTo(new HeadTable(List.of())).hasToString(COLUMNS);
    }

    @Test
    void theOneThatIsBroughtAlongIsWhole() {
        HeadTable measured = HeadTable.measured();
        assertThat(HeadTable.of(measured.toString())).isEqualTo(measured);
    }

    @Test
    void whatIsNoTableIsRefusedByLine() {
        refused("line 1", "");
        refused("line 1", LINE);
        refused("line 3", COLUMNS + LINE + "\n");
        refused("line 2", COLUMNS + LINE.replace(",BF16", ""));
        refused("line 2", COLUMNS + LINE.replace("BF16", "BF17"));
        refused("line 2", COLUMNS + LINE.replace("4096", "many"));
        refused("hidden", COLUMNS + LINE.replace("4096", "0"));
        refused("fusedMicroseconds", COLUMNS + LINE.replace("11021.25", "NaN"));
        refused("chunksMicroseconds", COLUMNS + LINE.replace("11834.5", "-1"));
        refused("processor", COLUMNS + LINE.replace("NVIDIA H100 80GB HBM3", " "));
    }

    private static void refused(String word, String text) {
        assertThatThrownBy(() -> HeadTable.of(text))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("HeadTable")
                .hasMessageContaining(word);
    }
}
