///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.dpo4j:dpo4j-pytorch:0.1.0-SNAPSHOT
//DEPS org.bytedeco:pytorch:2.10.0-1.5.13:linux-x86_64
//DEPS org.bytedeco:openblas:0.3.31-1.5.13:linux-x86_64
//RUNTIME_OPTIONS -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -Dorg.bytedeco.javacpp.maxBytes=0

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AdamW;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.pytorch.TorchPreferenceLoss;
import org.dpo4j.pytorch.TorchPreferenceLoss.Completions;
import org.dpo4j.pytorch.TorchPreferenceLoss.Result;

/**
 * Trains a libtorch layer with DPO. The kernels read its logits in place, and overwrite them with the gradient.
 *
 * <pre>
 * ./mvnw -q -Ppytorch -pl java/kernels,java/pytorch -DskipTests package
 * java -cp 'java/pytorch/target/*:java/pytorch/target/lib/*' examples/EmbedPyTorch.java
 * </pre>
 */
class EmbedPyTorch {
    public static void main(String[] args) {
        int pairs = 2;
        int vocabulary = 64;
        torch.manual_seed(1);
        try (PointerScope all = new PointerScope()) {
            Tensor hidden = torch.randn(8, 32); // hidden states, one per completion token
            Tensor weight = torch.randn(vocabulary, 32).requires_grad_(true);
            Tensor targets = torch.tensor(3, 14, 15, 9, 26, 5, 35, 8);
            Tensor offsets = torch.tensor(0, 3, 5, 6, 8); // chosen, rejected of pair 0, of pair 1
            AdamW optimizer = new AdamW(new TensorVector(weight), new AdamWOptions(0.02));
            try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(weight, PreferenceOptions.forLoss(LossType.SIGMOID))) {
                Tensor reference = loss.logProbs(new Completions(torch.linear(hidden, weight), targets, offsets));
                for (int step = 0; step < 5; step++) {
                    try (PointerScope scope = new PointerScope()) {
                        Tensor logits = torch.linear(hidden, weight);
                        Result result = loss.computeInPlace(
                                new Completions(logits, targets, offsets), reference, new Scale(1f / pairs));
                        optimizer.zero_grad();
                        result.backward();
                        optimizer.step();
                        System.out.printf("step %d: loss %.6f%n", step, result.losses().mean().item_float());
                    }
                }
            }
        }
    }
}
