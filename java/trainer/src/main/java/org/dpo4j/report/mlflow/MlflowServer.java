package org.dpo4j.report.mlflow;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Where an MLflow server is and which run it is to record, from MLflow's environment variables.
 *
 * @param uri address, without a slash at its end
 * @param authorization value of the header Authorization; null: none
 * @param experiment name of the experiment; it is created if it does not exist
 * @param run id of an existing run that receives the metrics; null: a new run
 */
public record MlflowServer(
        String uri,
        @Nullable String authorization,
        String experiment,
        @Nullable String run) {
    /** The variable that has the address. */
    public static final String URI = "MLFLOW_TRACKING_URI";

    private static final String DEFAULT_EXPERIMENT = "Default";

    /** Reads the variables. Throws if the address is missing, or is none of HTTP. */
    public static MlflowServer find(Map<String, String> environment) {
        String uri = environment.getOrDefault(URI, "");
        if (!uri.matches("https?://[^\\s@]+")) {
            throw new Dpo4jException("report_to mlflow needs a server, but " + URI + " is "
                    + (uri.isEmpty() ? "not set" : uri) + "; set it to an address such as http://localhost:5000");
        }
        return new MlflowServer(
                uri.replaceFirst("/+$", ""),
                authorization(environment),
                environment.getOrDefault("MLFLOW_EXPERIMENT_NAME", DEFAULT_EXPERIMENT),
                environment.get("MLFLOW_RUN_ID"));
    }

    /** As MLflow's client: a name and a password go before a token. */
    private static @Nullable String authorization(Map<String, String> environment) {
        String name = environment.get("MLFLOW_TRACKING_USERNAME");
        String password = environment.get("MLFLOW_TRACKING_PASSWORD");
        String token = environment.get("MLFLOW_TRACKING_TOKEN");
        if (name != null && password != null) {
            byte[] both = (name + ":" + password).getBytes(StandardCharsets.UTF_8);
            return "Basic " + Base64.getEncoder().encodeToString(both);
        }
        return token == null ? null : "Bearer " + token;
    }

    /** Without the authorization, which is a secret. */
    @Override
    public String toString() {
        return uri;
    }
}
