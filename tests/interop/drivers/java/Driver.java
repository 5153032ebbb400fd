import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * A driver of the conformance suite around the Java client: questions from standard input, answers to standard output.
 *
 * <p>The questions are those of ../../driver_protocol.ts. Left out: the legacy alterConfigs, which this client no longer has, and
 * the new consumer protocol (KIP-848), which the suite does not ask for.
 */
public final class Driver {
    static final ObjectMapper JSON = new ObjectMapper();

    /** Answers one question. */
    interface Operation {
        ObjectNode answer(JsonNode question) throws Exception;
    }

    private final Map<String, Operation> operations = new LinkedHashMap<>();
    private final PrintStream answers;

    private Driver(PrintStream answers) {
        this.answers = answers;
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 1) {
            System.err.println("usage: Driver HOST:PORT");
            System.exit(2);
        }
        PrintStream answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        System.setOut(System.err); // what a library prints is no answer
        try (Groups groups = new Groups(args[0]);
                Transactions transactions = new Transactions(args[0]);
                Administration administration = new Administration(args[0])) {
            Driver driver = new Driver(answers);
            driver.operations.put("hello", question -> driver.hello());
            new Plain(args[0]).addTo(driver.operations);
            groups.addTo(driver.operations);
            transactions.addTo(driver.operations);
            new ExactlyOnce(args[0]).addTo(driver.operations);
            administration.addTo(driver.operations);
            driver.serve(new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)));
        }
    }

    /** Answers concurrently until the input ends. */
    private void serve(BufferedReader questions) throws Exception {
        ExecutorService running = Executors.newCachedThreadPool();
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            String question = line;
            running.execute(() -> ask(question));
        }
        running.shutdown();
        if (!running.awaitTermination(45, TimeUnit.SECONDS)) {
            throw new IllegalStateException("Questions were not answered in time");
        }
    }

    private void ask(String line) {
        ObjectNode reply = JSON.createObjectNode();
        try {
            JsonNode question = JSON.readTree(line);
            reply.set("id", question.get("id"));
            Operation operation = operations.get(question.get("op").asText());
            if (operation == null) {
                throw new UnsupportedOperationException("This driver has no " + question.get("op").asText());
            }
            reply.set("ok", operation.answer(question));
        } catch (Exception | LinkageError error) {
            error.printStackTrace();
            Throwable told = told(error);
            ObjectNode failure = reply.putObject("error");
            failure.put("message", told.getClass().getSimpleName() + ": " + told.getMessage());
            failure.put("code", code(told));
        }
        synchronized (answers) {
            answers.println(reply);
            answers.flush();
        }
    }

    /** The error that a future was wrapped around. */
    private static Throwable told(Throwable error) {
        Throwable told = error;
        while ((told instanceof ExecutionException || told instanceof CompletionException) && told.getCause() != null) {
            told = told.getCause();
        }
        return told;
    }

    /** Kafka's number of an error or of what caused it, or null. */
    private static Short code(Throwable error) {
        Short found = null;
        for (Throwable each = error; each != null; each = each.getCause()) {
            Errors known = Errors.forException(each);
            if (known == Errors.UNKNOWN_SERVER_ERROR) {
                continue;
            }
            // What the client gave up waiting for is told in the cause.
            if (known != Errors.REQUEST_TIMED_OUT) {
                return known.code();
            }
            found = known.code();
        }
        return found;
    }

    private ObjectNode hello() {
        ObjectNode told = JSON.createObjectNode();
        told.put("client", "java");
        told.put("version", AppInfoParser.getVersion());
        ArrayNode features = told.putArray("features");
        for (String feature : FEATURES) {
            features.add(feature);
        }
        for (String operation : operations.keySet()) {
            if (!operation.contains(".") && !operation.equals("hello")) {
                boolean plain = operation.equals("produce") || operation.equals("consume") || operation.equals("listOffsets");
                features.add(plain ? operation : "admin:" + operation);
            }
        }
        return told;
    }

    private static final String[] FEATURES = {
        "offsets", "headers", "nullHeaders", "timestamps", "tombstones", "nullKeys", "idempotent", "acks0", "transactions",
        "txnOffsets", "isolation", "largeMessages", "groups", "groupSeek", "static", "assignor:range", "assignor:roundrobin",
        "cooperative", "fetchLimit", "fetchWait", "validateOnly", "txnTimeout", "txnProcess",
        "codec:gzip", "codec:snappy", "codec:lz4", "codec:zstd"
    };
}
