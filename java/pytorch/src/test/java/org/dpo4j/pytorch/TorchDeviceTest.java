package org.dpo4j.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Kernels use the memory of a tensor in place. An error names a tensor that they cannot use. */
class TorchDeviceTest {
    private PointerScope scope = new PointerScope();
    private TorchDevice device = TorchDevice.on(torch.zeros(1));

    @BeforeEach
    void open() {
        scope = new PointerScope();
        device = TorchDevice.on(torch.zeros(1));
    }

    @AfterEach
    void close() {
        device.close();
        scope.close();
    }

    @Test
    void cpuDeviceHasAsManyThreadsAsLibtorch() {
        assertThat(device).hasToString("cpu");
        assertThat(device.kernels().name()).isEqualTo("cpu");
        assertThat(device.kernels().description()).contains(torch.get_num_threads() + " thread");
    }

    @Test
    void returnsAddressesInsideTheTensors() {
        Tensor logits = Values.normal(new Random(1), 1, 5, 64).requires_grad_(true);
        assertThat(device.logits("logits", logits)).isEqualTo(new Logits(Values.address(logits), 64, 64, DType.F32));
        Tensor row = logits.narrow(0, 3, 1);
        assertThat(device.logits("row", row).address()).isEqualTo(Values.address(logits) + 3 * 64 * 4);
        Tensor columns = logits.detach().narrow(1, 16, 33);
        assertThat(device.gradient("columns", columns))
                .isEqualTo(new LogitsGradient(Values.address(logits) + 16 * 4, 64, DType.F32));
        Tensor half = logits.detach().to(ScalarType.Half);
        assertThat(device.logits("half", half)).isEqualTo(new Logits(Values.address(half), 64, 64, DType.F16));
        Tensor brain = logits.detach().to(ScalarType.BFloat16);
        assertThat(device.gradient("brain", brain))
                .isEqualTo(new LogitsGradient(Values.address(brain), 64, DType.BF16));
    }

    /** Any operation of {@code org.dpo4j.kernels} can write into a tensor. */
    @Test
    void kernelsWriteTensors() {
        Tensor values = torch.tensor(new float[] {1, 2, 4, 8, 16});
        Tensor offsets = Values.ints(0, 2, 5);
        Tensor sums = torch.zeros(2);
        SequenceSum.forward(
                device.kernels(),
                device.writeAddress("sums", sums, ScalarType.Float, 2),
                device.readAddress("values", values, ScalarType.Float, 5),
                new Sequences(device.readAddress("offsets", offsets, ScalarType.Int, 3), 2));
        assertThat(Values.of(sums)).containsExactly(3, 28);
    }

    @Test
    void refusesTypes() {
        Tensor longs = torch.tensor(1L, 2L);
        refuses(
                "targets is Long, must be Int: convert it with to(ScalarType.Int)",
                () -> device.readAddress("targets", longs, ScalarType.Int, 2));
        refuses("sums is Double, must be Float", () -> device.readAddress("sums", doubles(2), ScalarType.Float, 2));
        refuses("logits is Double, must be Float, BFloat16 or Half", () -> device.logits("logits", doubles(2, 8)));
        refuses("logits is Double, must be Float, BFloat16 or Half", () -> device.logits("logits", doubles(1, 8)));
    }

    @Test
    void refusesSizes() {
        refuses(
                "targets has sizes [2], must have [3]",
                () -> device.readAddress("targets", Values.ints(1, 2), ScalarType.Int, 3));
        refuses(
                "logits has sizes [2, 3, 8], must be [rows, vocabulary]: use view(-1, vocabulary)",
                () -> device.logits("logits", torch.zeros(2, 3, 8)));
        refuses("logits is empty: sizes [0, 8]", () -> device.logits("logits", torch.zeros(0, 8)));
    }

    @Test
    void refusesLayouts() {
        refuses(
                "logits has stride 6 between the columns of a row, must have 1: use contiguous()",
                () -> device.logits("logits", torch.zeros(8, 6).t()));
        refuses(
                "logits has rows 0 elements apart, which overlap",
                () -> device.logits("logits", torch.zeros(1, 8).expand(4, 8)));
        refuses(
                "logits has rows 33 elements apart, must be a multiple of 4, so that every row is 16-byte aligned",
                () -> device.logits("logits", torch.zeros(2, 33)));
        refuses(
                "logits has rows 36 elements apart, must be a multiple of 8",
                () -> device.logits("logits", torch.zeros(2, 36).to(ScalarType.Half)));
        refuses(
                "sums is not contiguous: use contiguous()",
                () -> device.readAddress("sums", torch.zeros(4, 2).select(1, 0), ScalarType.Float, 4));
        refuses(
                "logits has layout Sparse, must be strided: use to_dense()",
                () -> device.logits("logits", torch.zeros(2, 8).to_sparse()));
    }

    @Test
    void refusesMisalignedAddresses() {
        refuses(
                "logits starts 4 bytes after a multiple of 16: use clone()",
                () -> device.logits("logits", torch.zeros(2, 64).narrow(1, 1, 32)));
        refuses(
                "reference starts 8 bytes after a multiple of 16",
                () -> device.readAddress("reference", torch.zeros(6).narrow(0, 2, 4), ScalarType.Float, 4));
        Tensor targets = Values.ints(1, 2, 3);
        assertThat(device.readAddress("targets", targets.narrow(0, 1, 2), ScalarType.Int, 2))
                .isEqualTo(Values.address(targets) + 4);
    }

    @Test
    void refusesToWriteTensorsThatRequireGrad() {
        Tensor inGraph = torch.zeros(2, 8).requires_grad_(true);
        refuses("gradient requires grad, but a kernel writes it", () -> device.gradient("gradient", inGraph));
        refuses(
                "sums requires grad, but a kernel writes it",
                () -> device.writeAddress("sums", inGraph, ScalarType.Float, 2, 8));
    }

    @Test
    void refusesOtherDevices() {
        Tensor nowhere = torch.empty(
                new long[] {2, 8}, new TensorOptions(new Device(DeviceType.Meta)), new MemoryFormatOptional());
        refuses("logits is on meta:0, must be on cpu: move it there", () -> device.logits("logits", nowhere));
        refuses("tensors on Meta are not supported: use cpu or cuda", () -> TorchDevice.on(nowhere));
        refuses("logits is an undefined tensor", () -> device.logits("logits", new Tensor()));
        refuses("the tensor is undefined", () -> TorchDevice.on(new Tensor()));
    }

    @Test
    void canBeClosedTwice() {
        device.close();
        refuses("this cpu device is closed", () -> device.kernels().context());
        device.close();
    }

    private static Tensor doubles(long... sizes) {
        return torch.zeros(sizes).to(ScalarType.Double);
    }

    private static void refuses(String message, Runnable call) {
        assertThatThrownBy(call::run).isInstanceOf(Dpo4jException.class).hasMessageStartingWith(message);
    }
}
