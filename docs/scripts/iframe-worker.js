// The search of the site runs in a worker, and browsers refuse workers to pages opened from a file:
// there it runs in a hidden frame. The theme finds out by the name of this class.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const { contentWindow: inside, contentDocument: page } = this.frame;
      inside.postMessage = (data) => this.tell(this, data);
      inside.importScripts = (...urls) => Promise.all(urls.map((one) => load(page, one)));
      this.ready = load(page, url);
    }

    postMessage(data) {
      this.ready.then(() => this.tell(this.frame.contentWindow, data));
    }

    tell(target, data) {
      target.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
  window.Worker = window.IFrameWorker;

  function load(page, url) {
    const script = page.createElement("script");
    script.src = new URL(url, location.href);
    return new Promise((done, failed) => {
      script.onload = done;
      script.onerror = () => failed(new Error(`${url} is not there.`));
      page.body.append(script);
    });
  }
}
