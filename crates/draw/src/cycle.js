hover(one('#picture'), (target) => { const part = target.closest('[data-tip]'); return part ? part.dataset.tip : ''; });
