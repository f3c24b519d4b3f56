package org.dpo4j.model;

import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import org.dpo4j.model.family.Architecture;

/**
 * A Llama in double precision, one token after another, one loop after another. It shares no line with the model under
 * test but the names of its tensors.
 */
final class ReferenceLlama {
    private final Map<String, double[]> weights = new HashMap<>();
    private final Architecture architecture;

    ReferenceLlama(Architecture architecture) {
        this.architecture = architecture;
    }

    /** The weights of a model as they lie on its device. */
    static ReferenceLlama of(Model model) {
        ReferenceLlama reference = new ReferenceLlama(model.architecture());
        for (ParameterTensor tensor : model.parameters().tensors()) {
            float[] values = model.parameters().readWeights(tensor);
            double[] exact = new double[values.length];
            for (int i = 0; i < exact.length; i++) {
                exact[i] = values[i];
            }
            reference.weights.put(tensor.name(), exact);
        }
        return reference;
    }

    double[] weight(String name) {
        return Objects.requireNonNull(weights.get(name), name);
    }

    /** The log-prob of each completion token behind a prompt. */
    double[] tokenLogProbs(int[] prompt, int[] completion) {
        int[] ids = new int[prompt.length + completion.length];
        System.arraycopy(prompt, 0, ids, 0, prompt.length);
        System.arraycopy(completion, 0, ids, prompt.length, completion.length);
        double[][] logits = logits(ids);
        double[] result = new double[completion.length];
        for (int i = 0; i < completion.length; i++) {
            double[] row = logits[prompt.length - 1 + i];
            result[i] = row[completion[i]] - logSumExp(row, row.length);
        }
        return result;
    }

    /** Sums over a completion's tokens of what TokenLogProb.Statistic names. */
    double[] statistics(int[] prompt, int[] completion) {
        int[] ids = new int[prompt.length + completion.length];
        System.arraycopy(prompt, 0, ids, 0, prompt.length);
        System.arraycopy(completion, 0, ids, prompt.length, completion.length);
        double[][] logits = logits(ids);
        double[] sums = new double[4];
        for (int i = 0; i < completion.length; i++) {
            double[] row = logits[prompt.length - 1 + i];
            double lse = logSumExp(row, row.length);
            double squares = 0;
            int largest = 0;
            for (int j = 0; j < row.length; j++) {
                double p = Math.exp(row[j] - lse);
                sums[0] -= p * (row[j] - lse);
                sums[2] += row[j] / row.length;
                squares += p * p;
                largest = row[j] > row[largest] ? j : largest;
            }
            sums[1] += largest == completion[i] ? 1 : 0;
            sums[3] += row[completion[i]] - lse - Math.log(squares);
        }
        return sums;
    }

    double sum(int[] prompt, int[] completion) {
        double sum = 0;
        for (double value : tokenLogProbs(prompt, completion)) {
            sum += value;
        }
        return sum;
    }

    /** [tokens][vocabulary]. */
    double[][] logits(int[] ids) {
        double[][] x = new double[ids.length][];
        for (int t = 0; t < ids.length; t++) {
            x[t] = row(weight("model.embed_tokens.weight"), ids[t], architecture.hiddenSize());
        }
        for (int i = 0; i < architecture.layerCount(); i++) {
            String layer = "model.layers." + i + ".";
            add(x, attention(normed(x, layer + "input_layernorm.weight"), layer + "self_attn."));
            add(x, feedForward(normed(x, layer + "post_attention_layernorm.weight"), layer + "mlp."));
        }
        String head = architecture.isHeadTied() ? "model.embed_tokens.weight" : "lm_head.weight";
        return project(normed(x, "model.norm.weight"), head, architecture.vocabSize());
    }

    private double[][] attention(double[][] x, String names) {
        int width = architecture.attention().headDim();
        int heads = architecture.attention().heads();
        int keyHeads = architecture.attention().keyHeads();
        double[][] q = rotated(project(x, names + "q_proj.weight", heads * width), heads);
        double[][] k = rotated(project(x, names + "k_proj.weight", keyHeads * width), keyHeads);
        double[][] v = project(x, names + "v_proj.weight", keyHeads * width);
        double[][] out = new double[x.length][heads * width];
        for (int t = 0; t < x.length; t++) {
            for (int h = 0; h < heads; h++) {
                int shared = h / (heads / keyHeads);
                double[] scores = new double[t + 1];
                for (int s = 0; s <= t; s++) {
                    for (int d = 0; d < width; d++) {
                        scores[s] += q[t][h * width + d] * k[s][shared * width + d] / Math.sqrt(width);
                    }
                }
                double lse = logSumExp(scores, t + 1);
                for (int s = 0; s <= t; s++) {
                    for (int d = 0; d < width; d++) {
                        out[t][h * width + d] += Math.exp(scores[s] - lse) * v[s][shared * width + d];
                    }
                }
            }
        }
        return project(out, names + "o_proj.weight", architecture.hiddenSize());
    }

    private double[][] rotated(double[][] x, int heads) {
        int half = architecture.attention().headDim() / 2;
        double[][] out = new double[x.length][x[0].length];
        for (int t = 0; t < x.length; t++) {
            for (int h = 0; h < heads; h++) {
                for (int i = 0; i < half; i++) {
                    float frequency = 1
                            / (float) Math.pow(
                                    (float) architecture.attention().ropeTheta(),
                                    2f * i / architecture.attention().headDim());
                    float angle = t * frequency; // fp32, as transformers has it in a float64 model too
                    int first = h * architecture.attention().headDim() + i;
                    int second = first + half;
                    out[t][first] = x[t][first] * Math.cos(angle) - x[t][second] * Math.sin(angle);
                    out[t][second] = x[t][second] * Math.cos(angle) + x[t][first] * Math.sin(angle);
                }
            }
        }
        return out;
    }

    private double[][] feedForward(double[][] x, String names) {
        double[][] gate =
                project(x, names + "gate_proj.weight", architecture.mlp().innerSize());
        double[][] up = project(x, names + "up_proj.weight", architecture.mlp().innerSize());
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < gate[t].length; i++) {
                gate[t][i] = gate[t][i] / (1 + Math.exp(-gate[t][i])) * up[t][i];
            }
        }
        return project(gate, names + "down_proj.weight", architecture.hiddenSize());
    }

    private double[][] normed(double[][] x, String name) {
        double[] weight = weight(name);
        double[][] out = new double[x.length][weight.length];
        for (int t = 0; t < x.length; t++) {
            double squares = 0;
            for (double value : x[t]) {
                squares += value * value;
            }
            double root =
                    Math.sqrt(squares / weight.length + architecture.norm().epsilon());
            for (int i = 0; i < weight.length; i++) {
                out[t][i] = weight[i] * x[t][i] / root;
            }
        }
        return out;
    }

    /** x W^T. */
    private double[][] project(double[][] x, String name, int out) {
        double[] weight = weight(name);
        int in = x[0].length;
        double[][] y = new double[x.length][out];
        for (int t = 0; t < x.length; t++) {
            for (int o = 0; o < out; o++) {
                for (int i = 0; i < in; i++) {
                    y[t][o] += weight[o * in + i] * x[t][i];
                }
            }
        }
        return y;
    }

    private static void add(double[][] x, double[][] branch) {
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < x[t].length; i++) {
                x[t][i] += branch[t][i];
            }
        }
    }

    private static double[] row(double[] matrix, int row, int columns) {
        double[] values = new double[columns];
        System.arraycopy(matrix, row * columns, values, 0, columns);
        return values;
    }

    private static double logSumExp(double[] values, int count) {
        double most = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            most = Math.max(most, values[i]);
        }
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += Math.exp(values[i] - most);
        }
        return most + Math.log(sum);
    }
}
